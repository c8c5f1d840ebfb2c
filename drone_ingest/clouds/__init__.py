"""Point clouds: a head read at once, points streamed in chunks into Arrow, whatever is whole of a damaged file."""
