"""Published models that MGNM is compared with; each keeps its contract."""

from baselines.gru4rec import GRU4Rec
from baselines.item_knn import ItemKNN
from baselines.popularity import Popularity

__all__ = ["GRU4Rec", "ItemKNN", "Popularity"]
