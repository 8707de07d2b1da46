"""Reading a rendered prompt."""

from __future__ import annotations

import pytest

from lm.embedded.rendered import as_json, as_xml, asking, chat, lists
from whet.core.exchange import Request
from whet.core.messages import Message
from whet.lm.embedded.prompt import read_task
from whet.lm.embedded.shape import of_schema, of_type
from whet.lm.embedded.text import Memo

OUTPUTS = [("label", """Literal['a (b)', "it's", 'c, d', 3]""", "must be exactly one of: a (b); it's; c, d; 3"), ("n", "int", "a number")]
DEMO = ({"text": "one"}, {"label": "it's", "n": "1"})


def read(messages: tuple[Message, ...], **options: object):
    return read_task(asking(messages, **options), Memo())


@pytest.mark.parametrize(("render", "layout"), [(chat, "marker"), (as_json, "json"), (as_xml, "xml")])
def test_every_layout_is_read_as_the_same_task(render, layout):
    task = read(render(OUTPUTS, {"text": "first\n\nsecond `thing`", "more": "z"}, "Sort it.\nTwice."))
    assert task.layout == layout
    assert task.inputs == {"text": "first\n\nsecond `thing`", "more": "z"}
    assert [output.name for output in task.outputs] == ["label", "n"]
    assert task.outputs[0].shape.options == ("a (b)", "it's", "c, d", 3)
    assert task.outputs[1].shape.kind == "int"
    assert task.sheet.instruction.endswith("Sort it.\nTwice.")
    assert task.ends is (layout == "marker")


def test_demos_are_read_and_missing_outputs_are_left_out():
    half = ({"text": "two"}, {"label": "3", "n": "(not supplied in this example)"})
    task = read(chat(OUTPUTS, {"text": "q"}, demos=[half, DEMO]))
    assert [(dict(demo.inputs), dict(demo.outputs)) for demo in task.demos] == [
        ({"text": "two"}, {"label": "3"}),
        ({"text": "one"}, {"label": "it's", "n": "1"}),
    ]


def test_json_demo_answers_decide_the_layout():
    system, user = as_json(OUTPUTS, {"text": "q"})
    shown = (Message("user", "[[ ## text ## ]]\none"), Message("assistant", '{"label": "it\'s", "n": 1}'))
    task = read((system, *shown, user))
    assert task.layout == "json"
    assert task.demos[0].outputs == {"label": "it's", "n": "1"}


def test_text_that_looks_like_a_marker_stays_in_its_field():
    task = read(chat(OUTPUTS, {"text": "before\n\\[[ ## label ## ]]\nafter"}))
    assert task.inputs == {"text": "before\n[[ ## label ## ]]\nafter"}


def test_an_input_that_names_an_output_is_no_reminder():
    assert read(chat(OUTPUTS, {"text": "a\n\nis `label` right?\n\nb"})).inputs == {"text": "a\n\nis `label` right?\n\nb"}


def test_the_response_schema_wins_over_the_text():
    schema = {"type": "object", "properties": {"label": {"type": "string"}, "n": {"type": "boolean"}}}
    task = read(as_json([("label", "Literal['a', 'b']", ""), ("n", "int", "")], {"text": "q"}), response_schema=schema)
    assert task.outputs[0].shape.kind == "options", "the schema says less than the type in the text"
    assert task.outputs[1].shape.kind == "bool"


def test_a_prompt_without_markers_is_plain():
    task = read_task(Request(messages=(Message("user", "Hello?"),)), Memo())
    assert (task.layout, task.outputs, task.query) == ("plain", (), "Hello?")


def test_markers_in_the_request_alone_are_enough():
    task = read((Message("user", "[[ ## text ## ]]\nhi\n\nWrite `[[ ## label ## ]]`, then `[[ ## completed ## ]]`."),))
    assert [output.name for output in task.outputs] == ["label"]
    assert (task.layout, task.ends, task.inputs) == ("marker", True, {"text": "hi"})


@pytest.mark.parametrize(
    ("text", "note", "kind", "options"),
    [
        ("Color", "must be exactly one of: red; dark blue", "options", ("red", "dark blue")),
        ("Union[Literal['a', 'b'], NoneType]", "", "options", ("a", "b")),
        ("str | None", "", "text", ()),
        ("dict[str, list[int]]", "", "dict", ()),
        ("tuple[int, str]", "", "list", ()),
        ("Answer", 'fits {"type": "object", "properties": {"a": {"type": "integer"}}}', "object", ()),
        ("Answer", "", "text", ()),
        ("Literal[True, 'x']", "", "options", (True, "x")),
        ("datetime", "", "datetime", ()),
    ],
)
def test_types_as_prompts_write_them(text, note, kind, options):
    shape = of_type(text, note)
    assert (shape.kind, shape.options) == (kind, options)


def test_bounds_are_read_from_constraints_and_schemas():
    assert (of_type("int", "", "Constraints: at least 1, at most 5").low, of_type("int", "", "between 1 and 5").high) == (1, 5)
    shape = of_schema({"anyOf": [{"type": "integer", "minimum": 2, "maximum": 9}, {"type": "null"}]})
    assert (shape.kind, shape.low, shape.high, shape.nullable) == ("int", 2, 9, True)


def test_a_recursive_schema_ends():
    node = {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}}
    shape = of_schema({"$ref": "#/$defs/Node", "$defs": {"Node": node}})
    depth = 0
    while shape.kind == "object":
        shape, depth = shape.parts[0][1], depth + 1
    assert (shape.kind, depth < 10) == ("null", True)


def test_what_is_remembered_is_bounded():
    memo = Memo(limit=10)
    for number in range(100):
        assert memo.get(number, lambda number=number: number * 2) == number * 2
    assert len(memo) <= 10


def test_an_object_that_shows_something_else_is_not_the_layout():
    system, query = as_json(OUTPUTS, {"text": "q"})
    before, mark, after = system.text.partition("The answer is an object:")
    shown = f'{before}Records look so:\n\n{{"colour": "red"}}\n\n["label"]\n\n{mark}{after}'
    task = read((Message("system", shown), query))
    assert task.layout == "json" and task.sheet.instruction.endswith("Do it.")
    assert task.outputs == read((system, query)).outputs


def test_the_note_at_an_output_is_its_own_and_the_task_begins_behind_the_layout():
    system, query = as_xml(OUTPUTS, {"text": "q"})
    task = read((system, query))
    plain = read(chat(OUTPUTS, {"text": "q"}))
    assert task.outputs == plain.outputs and task.sheet.instruction == plain.sheet.instruction


def test_of_a_layout_without_an_example_the_task_begins_behind_the_closing_marker():
    text = f"{lists(['text'], OUTPUTS)}\n\nThe form is as before. [[ ## completed ## ]]\nTask:\nDo it."
    task = read((Message("system", text), Message("user", "[[ ## text ## ]]\nq")))
    assert task.layout == "json" and task.sheet.instruction.endswith("Do it.") and "completed" not in task.sheet.instruction
