"""STORM (Shao et al. 2024, arXiv 2402.14207): writing a Wikipedia-like article from scratch.

Reproduced: perspectives from related articles; for each a simulated conversation of a writer who asks and an expert who searches and
answers with citations; an outline from what the model knows, refined with the conversations; sections written side by side from the sources
that fit them; a lead at the end. A cheap model talks, a strong one writes. Every source has one number in the whole article.
Miniature: 76 passages and BM25 in place of the web, two turns, no judge. Resuming is the answer cache on disk: a run that was killed and is
started again asks the models nothing that they have answered.
"""

from __future__ import annotations

import sys
from typing import Any

from scripted.actor import SCRIPTED, Actor
from scripted.storm import SKILLS, TOPIC

import whet
from whet.datasets import load_corpus
from whet.evaluate.metrics.structure import cited_ids, supports
from whet.retrieve import BM25


class Conversation(whet.Module):
    """A writer with one perspective asks, an expert searches and answers, `turns` times."""

    def __init__(self, turns: int = 2, k: int = 2) -> None:
        self.ask = whet.Predict("topic, perspective, said: list[str] -> question")
        self.plan = whet.Predict("topic, question -> queries: list[str]")
        self.answer = whet.Predict("question, sources: list[str] -> answer")
        self.turns, self.k = turns, k

    def forward(self, topic: str, perspective: str) -> whet.Prediction:
        """What was said, and the passages that the expert found."""
        said: list[str] = []
        found: list[str] = []
        for _ in range(self.turns):
            question = self.ask(topic=topic, perspective=perspective, said=said).question
            queries = self.plan(topic=topic, question=question).queries
            sources = list(dict.fromkeys(p.text for q in queries for p in whet.settings.rm(q, k=self.k)))
            said = [*said, question, self.answer(question=question, sources=sources).answer]
            found += [text for text in sources if text not in found]
        return whet.Prediction(said=said, found=found)


class Storm(whet.Module):
    """The whole; `talker` and `writer` are the models of the two roles (default: the ambient one)."""

    def __init__(self, talker: Any = None, writer: Any = None, per_section: int = 4) -> None:
        self.look = whet.Predict("topic, related: list[str] -> perspectives: list[str]")
        self.talk = Conversation()
        self.draft = whet.Predict("topic -> outline: list[str]")
        self.refine = whet.Predict("topic, outline: list[str], conversations: list[str] -> headings: list[str]")
        self.write = whet.Predict("topic, heading, sources: list[str] -> section")
        self.lead = whet.Predict("topic, sections: list[str] -> lead")
        for predictor in (self.look, *self.talk.predictors()):
            predictor.lm = talker
        for predictor in (self.draft, self.refine, self.write, self.lead):
            predictor.lm = writer
        self.per_section = per_section

    def forward(self, topic: str) -> whet.Prediction:
        """The article, its headings, and its sources by number."""
        related = [p.text.split(" | ")[0] for p in whet.settings.rm(topic, k=5)]
        views = self.look(topic=topic, related=related).perspectives
        talks = side_by_side([(self.talk, {"topic": topic, "perspective": view}) for view in views])
        outline = self.draft(topic=topic).outline
        headings = self.refine(topic=topic, outline=outline, conversations=[line for t in talks for line in t.said]).headings
        numbers = {text: n for n, text in enumerate(dict.fromkeys(text for t in talks for text in t.found), 1)}
        index = BM25(list(numbers))
        jobs = []
        for heading in headings:
            near = index(f"{topic} {heading}", k=self.per_section)
            jobs.append((self.write, {"topic": topic, "heading": heading, "sources": [f"[{numbers[p.text]}] {p.text}" for p in near]}))
        sections = [written.section for written in side_by_side(jobs)]
        lead = self.lead(topic=topic, sections=sections).lead
        article = "\n\n".join([lead, *(f"## {heading}\n{text}" for heading, text in zip(headings, sections, strict=True))])
        return whet.Prediction(article=article, headings=headings, sources={n: text for text, n in numbers.items()})


def side_by_side(jobs: list[tuple[Any, dict[str, Any]]]) -> list[Any]:
    """The results of calls that do not need each other, in order; the first failure ends it."""
    return whet.Parallel(max_errors=1, disable_progress_bar=True)(jobs)


def bad_citations(article: str, sources: dict[int, str]) -> list[str]:
    """Sentences whose citations do not exist or do not support them."""
    sentences = [text for text in article.replace("\n", " ").split(". ") if cited_ids(text)]
    return [text for text in sentences if not all(i in sources and supports(sources[i], text) for i in cited_ids(text))]


def retriever() -> BM25:
    """The bundled corpus."""
    return BM25(load_corpus("atlas"))


def main(model: str | None = None, topic: str = TOPIC) -> None:
    """One article from the bundled corpus, by a model of yours or the scripted one, with what its citations are worth."""
    if model is None:
        print(SCRIPTED)
    with whet.context(lm=whet.LM(model) if model else Actor(SKILLS), rm=retriever()):
        written = Storm()(topic=topic)
    print(written.article, *(f"[{number}] {text}" for number, text in written.sources.items()), sep="\n")
    print(f"\n{len(bad_citations(written.article, written.sources))} sentences cite what does not support them.")


if __name__ == "__main__":
    main(*sys.argv[1:3])
