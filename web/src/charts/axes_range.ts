/** Room above and below the data; limits are taken in when that does not squash the data below a third of the height. */
export function valueRange(min: number | null, max: number | null, limits: readonly (number | null)[]): [number, number] {
  if (min === null || max === null) return [0, 1];
  let [low, high] = [min, max];
  const span = high - low || Math.abs(high) * 0.1 || 1;
  for (const limit of limits) {
    if (limit === null) continue;
    const [nextLow, nextHigh] = [Math.min(low, limit), Math.max(high, limit)];
    if (nextHigh - nextLow <= span * 3) [low, high] = [nextLow, nextHigh];
  }
  const room = (high - low || span) * 0.08;
  return [low - room, high + room];
}
