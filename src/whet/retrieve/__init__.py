"""Retrieval without a model: BM25, embeddings, fusion, reranking, late interaction, the ColBERTv2 client."""

from __future__ import annotations

from whet.retrieve.bm25 import BM25
from whet.retrieve.colbert import ColBERTv2
from whet.retrieve.embeddings import Embeddings, EmbeddingsWithScores
from whet.retrieve.fusion import Hybrid, Reranked, Reranker, fuse, fuse_passages
from whet.retrieve.knn import KNN
from whet.retrieve.late import LateInteraction
from whet.retrieve.passage import Passage, Retriever

__all__ = [
    "BM25",
    "KNN",
    "ColBERTv2",
    "Embeddings",
    "EmbeddingsWithScores",
    "Hybrid",
    "LateInteraction",
    "Passage",
    "Reranked",
    "Reranker",
    "Retriever",
    "fuse",
    "fuse_passages",
]
