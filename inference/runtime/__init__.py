"""Scoring live: thousands of streams, one thread, bounded memory, the same in the twin and on a gateway.

readings → `intake` (in the order of their times) → `facts` (stuck, spikes, clock) and `rows` (one length a stream) →
`online` (untrained, learns as it goes, against `reference`) and `trained` (bundles) → `episodes` (one an asset or a
cause, not twenty). `scorer.Scorer` joins them; `keeping` saves what was learned.
"""

from inference.runtime.answers import SCORES
from inference.runtime.episodes import Channel, Event
from inference.runtime.scorer import Scorer
from inference.runtime.settings import Settings, Stream
from inference.runtime.trained import Model

__all__ = ["SCORES", "Channel", "Event", "Model", "Scorer", "Settings", "Stream"]
