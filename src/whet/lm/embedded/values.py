"""Finds a value for each field that a prompt asks for: a choice, a number, a text, a nested object."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from whet.lm.embedded.extract import central_sentences, dates, names_in, numbers, overlap, question_and_context, span_for, spans_of
from whet.lm.embedded.instruct import advice, asks_for_instruction, observations, read_material, write_instruction
from whet.lm.embedded.prompt import Field, Task
from whet.lm.embedded.score import Index, Scorer, keyed, label_of, softmax
from whet.lm.embedded.shape import Option, Shape, of_schema
from whet.lm.embedded.text import content_words, features, name_words, sentences
from whet.lm.embedded.tool import Call, choose_tool, is_last, tools_in_text

__all__ = ["CANNOT", "Draw", "Sitting", "Value"]

CANNOT: Final = (
    "I am whet's embedded model, a small linear text reader and not a neural language model: I can choose among options, copy from the "
    "inputs and call tools, but I cannot write {what}. For that, use a real model: whet.configure(lm=whet.LM('provider/model'))."
)
_THOUGHT: Final = re.compile(r"reason|rationale|explanation|explain|thought|justification", re.I)
_QUERY: Final = re.compile(r"(?:^|_)(?:query|queries|keywords?|search)(?:_|$)", re.I)
_PROSE: Final = re.compile(
    r"observation|summar|description|feedback|(?:^|_)tips?$|critique|suggestion|analysis|discussion|comment|title|headline|abstract", re.I
)
_JUDGED: Final = re.compile(
    r"score|similar|precision|recall|f1|rating|relevan|faithful|correct|complete|grounded|accura|match|equivalen|overlap", re.I
)
_GOLD: Final = re.compile(r"truth|gold|reference|expected|label|context", re.I)
_SENTENCE_SCALE: Final = 12.0
_DUPLICATE: Final = 0.75


@dataclass(frozen=True, slots=True)
class Draw:
    """How a sample is drawn: the best option without `chance`, else at random by the scores at a temperature."""

    chance: random.Random | None = None
    temperature: float = 1.0

    def choose(self, scores: Sequence[float]) -> int:
        """The position of the score that is drawn."""
        if self.chance is None:
            return max(range(len(scores)), key=lambda position: scores[position])
        return self.chance.choices(range(len(scores)), weights=softmax(scores, self.temperature))[0]


@dataclass(frozen=True, slots=True)
class Value:
    """A field's value; `chances` are the probabilities of its options where it was chosen among some."""

    value: Any
    chances: Mapping[str, float] | None = None


@dataclass(slots=True)
class Sitting:
    """One sample of an answer to one task."""

    task: Task
    scorer: Scorer
    draw: Draw
    known: dict[str, tuple[tuple[Option, ...], list[float]]] = field(default_factory=dict)
    because: list[str] = field(default_factory=list)
    extra: tuple[str, ...] = ()

    def values(self) -> dict[str, Value]:
        """A value for every output, in the order of the outputs; what explains comes last to be made, so that it can tell why."""
        found: dict[str, Value] = {}
        explaining = [output for output in self.task.outputs if _explains(output)]
        for output in self.task.outputs:
            if output not in explaining:
                found[output.name] = self._value(output)
        for output in explaining:
            found[output.name] = Value(" ".join(self.because) or "Nothing in the prompt decides this.")
        return {output.name: found[output.name] for output in self.task.outputs}

    def _value(self, output: Field) -> Value:
        call = self._call_value(output)
        if call is not None:
            return Value(call)
        options, scores = self.scores(output)
        return self._chosen(output, options, scores) if options else Value(self.fill(output))

    def scores(self, output: Field) -> tuple[tuple[Option, ...], list[float]]:
        """The options of a field and their scores; computed once for all samples of a request."""
        if output.name not in self.known:
            options = () if asks_for_instruction(output.name) else self.scorer.options(output, self.task)
            scores = self.scorer.logits(output, options, self.task) if options else []
            if output.shape.kind == "bool" and not self.task.demos:
                scores = self._judged(output, scores)
            self.known[output.name] = options, scores
        return self.known[output.name]

    def _judged(self, output: Field, scores: list[float]) -> list[float]:
        share = self._overlap(output.name) if _JUDGED.search(output.name) else None
        return scores if share is None else [scores[0] + 10 * (share - 0.5), scores[1]]

    def _chosen(self, output: Field, options: tuple[Option, ...], scores: list[float]) -> Value:
        if output.shape.nullable and max(scores) <= 0:
            return Value(None)
        place = self.draw.choose(scores)
        if any(_explains(other) for other in self.task.outputs):
            self.because.append(self._reason(output, options, place))
        return Value(options[place], dict(zip(map(str, options), softmax(scores), strict=True)))

    def _reason(self, output: Field, options: tuple[Option, ...], place: int) -> str:
        found, nearest = self.scorer.evidence(output, options, self.task, place)
        spoken = ", ".join(f"`{word}`" for word in found)
        if not found and not nearest:
            return f"Nothing in the input speaks for one option of `{output.name}`; `{options[place]}` is a guess."
        if not nearest:
            return f"The words {spoken} speak for `{options[place]}`."
        example = f'the nearest example with it is "{" ".join(nearest[:80].split())}"'
        return f"The words {spoken} speak for `{options[place]}`; {example}." if found else f"For `{options[place]}`: {example}."

    # Values by kind

    def hand_in(self, parts: Sequence[tuple[str, Shape, str]]) -> dict[str, Any]:
        """The arguments of a tool that takes the final answer."""
        self.extra = tuple(name for name, _, _ in parts)
        return {name: self.fill(Field(name=name, shape=shape, about=about)) for name, shape, about in parts}

    def _asked(self, wanted: Field) -> bool:
        """Whether a value is asked for by itself, so that any evidence will do; a part of an object needs evidence of its own."""
        return wanted.name in self.extra or any(wanted.name == output.name for output in self.task.outputs)

    def fill(self, wanted: Field) -> Any:
        """A value of the field's shape, from the inputs where they hold one, else a sensible empty one."""
        makers = {
            "int": self._number, "float": self._number, "list": self._list, "dict": self._dict, "object": self._object,
            "date": self._date, "datetime": self._date, "options": self._option, "bool": self._option,
        }  # fmt: skip
        if wanted.shape.kind == "null":
            return None
        return makers.get(wanted.shape.kind, self.text)(wanted)

    def _option(self, wanted: Field) -> Any:
        options = wanted.shape.options or (True, False)
        stated = keyed(wanted.name, self.source)
        named = [option for option in options if stated and label_of(option) == label_of(stated)]
        if named:
            return named[0]
        return None if wanted.shape.nullable else options[self.draw.choose(self.scorer.logits(wanted, options, self.task))]

    @property
    def source(self) -> str:
        """What values are copied from: results of tools first, then the inputs."""
        return "\n".join((*self.task.results, self.task.query))

    def _number(self, wanted: Field) -> Any:
        shape = wanted.shape
        found = numbers(keyed(wanted.name, self.source))
        if not found and self._asked(wanted):
            found = [number for result in self.task.results for number in numbers(result)]
        share = self._overlap(wanted.name) if _JUDGED.search(wanted.name) and not found else None
        if share is not None:
            low, high = shape.low or 0.0, shape.high if shape.high is not None else (1.0 if shape.kind == "float" else 10.0)
            return self._bounded(low + share * (high - low), shape)
        found = found or self._number_near(wanted)
        if not found and shape.nullable:
            return None
        return self._bounded(float(found[0]) if found else 0.0, shape)

    def _number_near(self, wanted: Field) -> list[str]:
        """The number next to words of the field's name; else the answer of the nearest example; else the first number."""
        asked = {*name_words(wanted.name), *content_words(wanted.about)}
        lines = [sentence for sentence in sentences(self.task.query) if numbers(sentence)]
        best = max(lines, key=lambda line: len(asked & set(content_words(line))), default="")
        if best and asked & set(content_words(best)):
            return numbers(best)
        if not self._asked(wanted):
            return []  # a part of an object: only a number that its name stands by
        nearest, _ = self._nearest(wanted.name)
        return numbers(nearest) or numbers(self.task.query)

    def _bounded(self, number: float, shape: Shape) -> float | int:
        number = max(number, shape.low) if shape.low is not None else number
        number = min(number, shape.high) if shape.high is not None else number
        return round(number) if shape.kind == "int" else round(number, 4)

    def _overlap(self, name: str) -> float | None:
        """How much two inputs share: precision, recall or their harmonic mean, as the field is named; none with one input only."""
        texts = {key: text for key, text in self.task.inputs.items() if key not in ("question", "query")} or dict(self.task.inputs)
        if len(texts) < 2:
            return None
        gold = next((key for key in texts if _GOLD.search(key)), next(iter(texts)))
        said = next(text for key, text in reversed(texts.items()) if key != gold)
        precision, recall = overlap(texts[gold], said)
        if "precision" in name or "faithful" in name or "grounded" in name:
            return precision
        if "recall" in name or "complete" in name:
            return recall
        return 2 * precision * recall / (precision + recall) if precision + recall else 0.0

    def _date(self, wanted: Field) -> Any:
        found = dates(keyed(wanted.name, self.source)) or dates(self.source)
        if not found:
            return None if wanted.shape.nullable else "1970-01-01" + ("T00:00:00" if wanted.shape.kind == "datetime" else "")
        return found[0] + ("T00:00:00" if wanted.shape.kind == "datetime" else "")

    def _list(self, wanted: Field) -> list[Any]:
        if wanted.shape.parts:
            return [self.fill(Field(name=f"{wanted.name}_{place}", shape=part)) for place, part, _ in wanted.shape.parts]
        item = wanted.shape.item or Shape()
        part = Field(name=wanted.name, shape=item, about=wanted.about)
        if item.kind == "options":
            found: list[Any] = self._several(part)
        elif item.kind in ("int", "float"):
            found = [int(float(number)) if item.kind == "int" else float(number) for number in numbers(self.source)]
        elif item.kind in ("text", "any"):
            found = self._texts(wanted)
        else:
            found = [self.fill(part)] if self._holds(item) else []
        return found + [self.fill(part) for _ in range(max(0, wanted.shape.least - len(found)))]

    def _several(self, part: Field) -> list[Any]:
        """The options that are about as likely as the best one."""
        options = part.shape.options
        scores = self.scorer.logits(part, options, self.task)
        chances = softmax(scores, self.draw.temperature if self.draw.chance else 1.0)
        top = max(chances)
        return [option for option, chance in zip(options, chances, strict=True) if chance >= 0.5 * top and chance > 1 / len(options)]

    def _texts(self, wanted: Field) -> list[str]:
        stated = keyed(wanted.name, self.source)
        if stated:
            return [part.strip() for part in re.split(r"[,;]", stated.strip("[]")) if part.strip()]
        if _QUERY.search(wanted.name):
            return [" ".join(content_words(self.task.query))]
        spans = spans_of(wanted.name, self.task.demos)
        if spans:
            return spans.best(self.task.inputs.get(spans.source, ""))[0][:1]
        return names_in(self.source) if self._asked(wanted) else []

    def _holds(self, shape: Shape) -> bool:
        return any(keyed(name, self.source) for name, _, _ in shape.parts)

    def _dict(self, wanted: Field) -> Any:
        if asks_for_instruction(wanted.name):
            return advice(self.task.inputs, read_material(self.task.inputs), self.draw.chance)
        call = self._call()
        if call and "arg" in wanted.name:
            return dict(call.arguments)
        pairs = re.findall(r"^[ \t*-]*([A-Za-z][\w ]{0,30}?)[ \t]*:[ \t]*(\S.*)$", self.source, re.M)
        if not wanted.shape.item or wanted.shape.item.kind in ("text", "any"):
            return {key.strip(): text.strip() for key, text in pairs}
        return {}

    def _object(self, wanted: Field) -> dict[str, Any] | None:
        if wanted.shape.nullable and (not self._asked(wanted) or not self._holds(wanted.shape)):
            return None
        parts = [Field(name=name, shape=part, about=about) for name, part, about in wanted.shape.parts]
        return {part.name: self.fill(part) for part in parts}

    # Tools that the prompt describes in words

    def _call(self) -> Call | None:
        """The call to make, among tools that the prompt describes; the one that ends the work when results are there."""
        tools = tools_in_text(f"{self.task.sheet.instruction}\n{self.task.inputs.get('tools', '')}")
        if not tools:
            return None
        last = next((tool for tool in tools if is_last(tool.name)), None)
        call = choose_tool(tools, self.task)
        if call or last is None:
            return call
        return Call(last.name, self.hand_in(of_schema(last.parameters).parts))

    def _call_value(self, output: Field) -> Any:
        """The value of a field that names a tool or holds calls; none for any other field."""
        holds = output.kind == "ToolCalls" or any(name == "tool_calls" for name, _, _ in output.shape.parts)
        names = output.shape.kind == "options" and any(is_last(str(option)) for option in output.shape.options)
        if not holds and not names:
            return None
        call = self._call()
        if holds:
            return {"tool_calls": [{"name": call.name, "args": dict(call.arguments)}] if call else []}
        if call and call.name in output.shape.options:
            self.because.append(f"The tool `{call.name}` fits what is asked." if not is_last(call.name) else "The tool's result is there.")
            return call.name
        return next(option for option in output.shape.options if is_last(str(option)))

    # Texts

    def text(self, wanted: Field) -> Any:
        """A text: an instruction if one is asked for, else copied from the inputs, else a sentence that says what cannot be done."""
        if asks_for_instruction(wanted.name):
            return self._instruction(wanted)
        found = keyed(wanted.name, self.source) or self._from_results() or self._span(wanted) or self._copied(wanted)
        if not found and wanted.shape.nullable:
            return None
        if not found and not self._asked(wanted):
            return ""  # a part of an object: better empty than prose
        found = found or CANNOT.format(what=f"`{wanted.name}`")
        return found[: wanted.shape.longest] if wanted.shape.longest else found

    def _instruction(self, wanted: Field) -> str:
        material = read_material(self.task.inputs)
        self.because.append(observations(material) or "The prompt shows no labelled examples.")
        if "prefix" in wanted.name:
            return "Answer:"
        return write_instruction(material, self.draw.chance)

    def _from_results(self) -> str:
        if not self.task.results:
            return ""
        self.because.append("The tool's result is taken.")
        latest = self.task.results[-1].strip()
        question, _ = question_and_context(self.task.inputs)
        return self._sentence(question, latest) if len(latest) > 80 and question else latest

    def _span(self, wanted: Field) -> str:
        spans = spans_of(wanted.name, self.task.demos)
        if spans is None:
            return ""
        found, scores = spans.best(self.task.inputs.get(spans.source, ""))
        if not found:
            return ""
        self.because.append(f"The examples copy `{wanted.name}` from `{spans.source}`; this span stands most like theirs.")
        return found[self.draw.choose(scores)]

    def _copied(self, wanted: Field) -> str:
        question, context = question_and_context(self.task.inputs)
        if _QUERY.search(wanted.name):
            return " ".join(content_words(question or self.task.query))
        if "prefix" in wanted.name:
            return "Answer:"
        if _PROSE.search(wanted.name):
            short = re.search("title|headline", wanted.name)
            return observations(read_material(self.task.inputs)) or " ".join(central_sentences(self.task.query, 1 if short else 2))
        if question and context:
            return self._sentence(question, context)
        answer, likeness = self._nearest(wanted.name)
        return answer if likeness > _DUPLICATE else ""

    def _sentence(self, question: str, context: str) -> str:
        found = sentences(context)
        likeness = Index([features(sentence) for sentence in found]).cosines(self.scorer.features(question))
        if not found or max(likeness) == 0:
            return ""
        chosen = found[self.draw.choose([_SENTENCE_SCALE * value for value in likeness])]
        self.because.append(f'The sentence that shares most words with the question is "{chosen[:120]}".')
        return span_for(question, chosen, context[: context.find(chosen)].rstrip().rpartition("\n")[2])

    def _nearest(self, name: str) -> tuple[str, float]:
        shown = [demo for demo in self.task.demos if name in demo.outputs]
        if not shown:
            return "", 0.0
        likeness = Index([self.scorer.features(demo.query) for demo in shown]).cosines(self.scorer.features(self.task.query))
        best = max(range(len(shown)), key=lambda position: likeness[position])
        return shown[best].outputs[name], likeness[best]


def _explains(output: Field) -> bool:
    return output.shape.kind in ("text", "any") and bool(_THOUGHT.search(output.name))
