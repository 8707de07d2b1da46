"""Rows to train and test on: loaders, known data sets, the subsets that ship with whet, leak checks."""

from __future__ import annotations

from whet.datasets.banking77 import Banking77
from whet.datasets.bundle import load_bundled, load_corpus
from whet.datasets.colors import Colors
from whet.datasets.dataloader import DataLoader
from whet.datasets.dataset import Dataset
from whet.datasets.gsm8k import GSM8K
from whet.datasets.hotpotqa import HotPotQA
from whet.datasets.leaks import Copied, Leak, check_splits, find_copied, find_leaks
from whet.datasets.math import MATH

__all__ = [
    "GSM8K",
    "MATH",
    "Banking77",
    "Colors",
    "Copied",
    "DataLoader",
    "Dataset",
    "HotPotQA",
    "Leak",
    "check_splits",
    "find_copied",
    "find_leaks",
    "load_bundled",
    "load_corpus",
]
