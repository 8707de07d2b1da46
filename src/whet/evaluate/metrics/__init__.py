"""Metrics: short answers, long texts, numbers and formulas, code, JSON, citations, rankings."""

from __future__ import annotations

from whet.evaluate.metrics.answers import EM, F1, HotPotF1, answer_exact_match, answer_passage_match, field_metric, normalize_text
from whet.evaluate.metrics.code import code_passes, passed_tests
from whet.evaluate.metrics.mathematics import final_answer, math_equal, math_match, number_match, numeric_equal, read_number
from whet.evaluate.metrics.overlap import bleu, corpus_bleu, rouge_l, rouge_n
from whet.evaluate.metrics.pairs import em_score, f1_score, hotpot_f1_score, precision_score
from whet.evaluate.metrics.ranking import ndcg, precision_at, rank_precision, recall_at, reciprocal_rank
from whet.evaluate.metrics.structure import citation_score, cited_ids, json_diff_score, supports

__all__ = [
    "EM",
    "F1",
    "HotPotF1",
    "answer_exact_match",
    "answer_passage_match",
    "bleu",
    "citation_score",
    "cited_ids",
    "code_passes",
    "corpus_bleu",
    "em_score",
    "f1_score",
    "field_metric",
    "final_answer",
    "hotpot_f1_score",
    "json_diff_score",
    "math_equal",
    "math_match",
    "ndcg",
    "normalize_text",
    "number_match",
    "numeric_equal",
    "passed_tests",
    "precision_at",
    "precision_score",
    "rank_precision",
    "read_number",
    "recall_at",
    "reciprocal_rank",
    "rouge_l",
    "rouge_n",
    "supports",
]
