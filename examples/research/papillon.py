"""PAPILLON (Li et al. 2024, arXiv 2410.17127): privacy-conscious delegation between two models of different trust.

Reproduced: a trusted model rewrites a private query into a prompt that gives nobody away, an untrusted stronger one answers that prompt,
and the trusted one makes the final response of it. The metric weighs quality against leakage, and takes leakage from what was really sent,
as recorded at the untrusted model. The instruction of the rewriter is optimized with feedback for each of both objectives.
Miniature: invented queries with marked personal units; quality is a fact that the response must hold, in place of a pairwise judge.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from scripted.actor import SCRIPTED, Actor
from scripted.papillon import ROWS, outsider, propose, trusted

import whet


class RewriteQuery(whet.Signature):
    """Write a prompt for another model that helps to answer the query."""

    private_query: str = whet.InputField()
    prompt: str = whet.OutputField()


class Respond(whet.Signature):
    """Answer the query with the help of what another model wrote."""

    private_query: str = whet.InputField()
    their_answer: str = whet.InputField(trusted=False)
    response: str = whet.OutputField()


class Papillon(whet.Module):
    """`find_personal`, where it is given, names the personal units of a query; then none of them may ever be sent."""

    def __init__(self, untrusted: Any, find_personal: Callable[[str], Sequence[str]] | None = None) -> None:
        self.rewrite = whet.ChainOfThought(RewriteQuery)
        self.respond = whet.ChainOfThought(Respond)
        self.untrusted, self.find_personal = untrusted, find_personal

    def forward(self, private_query: str) -> whet.Prediction:
        """The response, and every text that left the house."""
        prompt = self.rewrite(private_query=private_query).prompt
        for unit in self.find_personal(private_query) if self.find_personal else ():
            whet.Assert(unit not in prompt, f"The prompt gives away {unit!r}; write it without.", on=self.rewrite)
        with whet.trace() as sent:
            answer = self.untrusted(prompt)[0]
        response = self.respond(private_query=private_query, their_answer=answer).response
        outbound = [message.text for call in sent.calls for message in call.request.messages]
        return whet.Prediction(response=response, outbound=outbound)


def quality_and_privacy(row: Any, pred: Any, trace: Any = None, *_: Any) -> whet.Score:
    """The mean of two objectives, each with its feedback: the fact is in the response, and the share of personal units not sent."""
    sent = " ".join(pred.outbound)
    leaked = [unit for unit in row.personal if unit in sent]
    parts = {"quality": float(row.fact in pred.response), "privacy": 1 - len(leaked) / len(row.personal)}
    said = [] if parts["quality"] else [f"The response lacks `{row.fact}`: the prompt must keep what the task is about."]
    said += [f"The prompt gave away: {', '.join(leaked)}. Nothing that tells who asks may be in it."] if leaked else []
    return whet.Score(value=sum(parts.values()) / 2, parts=parts, feedback=" ".join(said) or "Right, and nothing was given away.")


def optimize(program: Papillon, rows: Sequence[Any], writer: Any, runs: int = 150) -> Papillon:
    """GEPA on instructions, with at most so many runs of the program."""
    gepa = whet.GEPA(quality_and_privacy, reflection_lm=writer, max_metric_calls=runs)
    return gepa.compile(program, trainset=rows[: len(rows) // 2], valset=rows[len(rows) // 2 :])


def pareto_front(programs: Sequence[Any], rows: Sequence[Any]) -> list[tuple[dict[str, float], Any]]:
    """The programs that no other one beats in one objective without losing in the other, with both values."""
    evaluate = whet.Evaluate(devset=rows, metric=quality_and_privacy)
    judged = [({name: part.value for name, part in evaluate(program).parts.items()}, program) for program in programs]

    def beaten(own: dict[str, float]) -> bool:
        return any(all(other[name] >= own[name] for name in own) and other != own for other, _ in judged)

    return [(parts, program) for parts, program in judged if not beaten(parts)]


def main() -> None:
    """Quality and privacy before and after GEPA, and the instruction it found."""
    writer = Actor({"new_instruction": propose, "faulty_step": lambda asked: "rewrite.predict"})
    evaluate = whet.Evaluate(devset=ROWS, metric=quality_and_privacy)
    print(SCRIPTED)
    with whet.context(lm=trusted()):
        plain = Papillon(outsider())
        better = optimize(plain, ROWS, writer)
        for name, program in {"as written": plain, "optimized": better}.items():
            print(f"{name:12}", ", ".join(f"{part} {estimate.value:.2f}" for part, estimate in evaluate(program).parts.items()))
    print("The rewriter is told:", better.rewrite.predict.signature.instructions)


if __name__ == "__main__":
    main()
