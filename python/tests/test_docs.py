# SPDX-License-Identifier: Apache-2.0
"""What `help()` shows: each public name with its arguments, errors and thread safety."""

from __future__ import annotations

import ast
import builtins
import inspect
import pydoc
import re
import shutil
import subprocess
import textwrap

import pytest
from helpers import PATIENCE, ROOT

import ipc0cp

SECTION = re.compile(r"^(Args|Returns|Raises):\n((?:[ \t]+.*\n|\n)*)", re.MULTILINE)
# What the core raises cannot be read from the Python sources, so it stands here.
FROM_THE_CORE = {
    "SharedRingBufferProducer": [
        "InvalidArgument", "SizeMismatch", "OptionMismatch", "NoSpace", "VersionMismatch",
        "NotARing", "PermissionDenied", "TooManyParticipants", "TypeError",
    ],
    "SharedRingBufferConsumer": ["As for the producer"],
    "SharedRingBufferProducer.push": [
        "UnsupportedType", "MessageTooLarge", "NoConsumers", "NoSpace", "Closed", "ForkedHandle",
        "CorruptBuffer", "InvalidArgument",
    ],
    "SharedRingBufferProducer.push_raw": ["InvalidArgument", "BufferError", "TypeError", "push"],
    "SharedRingBufferProducer.loan": [
        "InvalidArgument", "MessageTooLarge", "UnsupportedType", "Timeout", "BufferFull", "push",
    ],
    "SharedRingBufferConsumer.attach": ["Timeout", "Closed", "constructor"],
    "SharedRingBufferConsumer.pop": [
        "Timeout", "BufferEmpty", "CorruptPayload", "Closed", "ForkedHandle", "CorruptBuffer",
        "InvalidArgument",
    ],
    "SharedRingBufferConsumer.pop_raw": ["pop"],
    "SharedRingBufferConsumer.stats": ["ForkedHandle", "CorruptBuffer", "Closed"],
    "SharedRingBufferProducer.stats": ["ForkedHandle", "CorruptBuffer", "Closed"],
    "SharedRingBufferConsumer.trim": ["ForkedHandle", "CorruptBuffer", "Closed"],
    "SharedRingBufferProducer.trim": ["ForkedHandle", "CorruptBuffer", "Closed"],
    "Loan.publish": [
        *["Timeout", "BufferFull", "InvalidArgument", "Closed", "CorruptPayload"],
        "ForkedHandle",
    ],
    "StdioProducer": ["InvalidArgument", "UnsupportedType", "SystemFailure"],
    "StdioConsumer": ["As for the producer"],
    "StdioProducer.push": [
        "UnsupportedType", "InvalidArgument", "NoConsumers", "Closed", "CorruptBuffer", "NoSpace",
        "SystemFailure", "ForkedHandle",
    ],
    "StdioProducer.push_raw": ["InvalidArgument", "BufferError", "TypeError", "push"],
    "StdioProducer.close": ["NoSpace", "SystemFailure"],
    "StdioConsumer.pop": [
        "Timeout", "CorruptPayload", "VersionMismatch", "Closed", "ForkedHandle", "SystemFailure",
        "InvalidArgument",
    ],
    "StdioConsumer.pop_raw": ["pop"],
}  # fmt: skip


def is_own(thing: object) -> bool:
    return getattr(thing, "__module__", "").startswith("ipc0cp")


def public_things() -> dict[str, object]:
    """Functions, classes, and the public methods and properties of classes that are no errors."""
    found: dict[str, object] = {}
    for name in ipc0cp.__all__:
        thing = getattr(ipc0cp, name)
        if not is_own(thing):
            continue
        found[name] = thing
        is_plain = inspect.isclass(thing) and issubclass(thing, (ipc0cp.Error, ipc0cp.ErrorCode))
        if is_plain or not inspect.isclass(thing):
            continue
        for member in dir(thing):
            attribute = inspect.getattr_static(thing, member)
            is_documented = isinstance(attribute, property) or callable(getattr(thing, member))
            is_inherited = hasattr(str, member) and issubclass(thing, str)
            if not member.startswith("_") and is_documented and not is_inherited:
                found[f"{name}.{member}"] = attribute
    return found


THINGS = public_things()


def function_of(thing: object):
    """The function behind a method, property or class; None: nothing of ours."""
    if isinstance(thing, property):
        return thing.fget
    if isinstance(thing, (classmethod, staticmethod)):
        return thing.__func__
    if inspect.isclass(thing):
        return thing.__init__ if is_own(thing.__init__) else None
    return thing


def parameters_of(thing: object) -> list[str]:
    function = function_of(thing)
    if function is None or (inspect.isclass(thing) and issubclass(thing, ipc0cp.Error)):
        return []
    names = inspect.signature(function).parameters
    return [name for name in names if name not in ("self", "cls", "args", "kwargs")]


def document_of(thing: object) -> str:
    """The docstring, or the one it points to."""
    document = inspect.getdoc(thing) or ""
    elsewhere = re.match(r"See :func:`(\w+)`\.$", document)
    return inspect.getdoc(getattr(ipc0cp, elsewhere[1])) if elsewhere else document


def sections(document: str) -> dict[str, str]:
    return {title: textwrap.dedent(body) for title, body in SECTION.findall(document + "\n")}


def raised_by(thing: object) -> set[str]:
    """Classes in `raise` statements of the function itself."""
    function = function_of(thing)
    if not hasattr(function, "__code__") or function.__code__.co_filename.startswith("<"):
        return set()
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    calls = [node.exc for node in ast.walk(tree) if isinstance(node, ast.Raise) and node.exc]
    names = {ast.unparse(call.func if isinstance(call, ast.Call) else call) for call in calls}
    return {name.rsplit(".", 1)[-1] for name in names} - {"StopIteration", "AttributeError"}


def is_known(name: str) -> bool:
    return inspect.isclass(getattr(ipc0cp, name, None) or getattr(builtins, name, None))


def made_by_users(name: str) -> bool:
    """Objects that only the package makes have a constructor that is none of their business."""
    return name not in ("Loan", "Message", "RingStats", "TypeRegistry")


@pytest.mark.parametrize("name", THINGS)
def test_is_documented(name):
    document = inspect.getdoc(THINGS[name])
    assert document
    assert document.splitlines()[0].endswith((".", ":", ")", ",")), "one line says it all"


@pytest.mark.parametrize("name", [name for name in THINGS if made_by_users(name)])
def test_every_parameter_is_explained(name):
    """In a section Args, or where there is little to say in the text, as `name`."""
    document = document_of(THINGS[name])
    listed = re.findall(r"^(\w+):", sections(document).get("Args", ""), re.MULTILINE)
    parameters = parameters_of(THINGS[name])
    assert set(parameters) <= set(listed) | set(re.findall(r"`(\w+)`", document))
    assert [parameter for parameter in parameters if parameter in listed] == listed


@pytest.mark.parametrize("name", THINGS)
def test_errors_are_named(name):
    text = sections(document_of(THINGS[name])).get("Raises", "")
    for error in FROM_THE_CORE.get(name, []) + sorted(raised_by(THINGS[name])):
        assert error in text, f"{error} is not in the Raises of {name}: {text!r}"
    # Whatever looks like a class is one: a renamed error does not live on in the text.
    for word in re.findall(r"\b[A-Z][a-z]+[A-Z]\w+|\b\w+Error\b", text):
        assert is_known(word), f"{word} in the Raises of {name} is no class"


def is_used_by_threads(thing: object) -> bool:
    values = (ipc0cp.Error, ipc0cp.ErrorCode, ipc0cp.SerializableObject)
    return inspect.isclass(thing) and not issubclass(thing, values)


@pytest.mark.parametrize("name", [name for name, it in THINGS.items() if is_used_by_threads(it)])
def test_classes_say_who_may_use_them_at_once(name):
    assert re.search(r"[Tt]hread|[Ss]napshot|immutable", inspect.getdoc(THINGS[name]))


def test_the_table_of_errors_is_not_older_than_the_code():
    assert set(FROM_THE_CORE) <= set(THINGS)


def test_the_map_of_names_is_complete():
    named = set(re.findall(r"`(\w+)`", ipc0cp.__doc__))
    assert set(ipc0cp.__all__) - {"__version__"} <= named
    assert all(hasattr(ipc0cp, name) for name in named)


def test_help_starts_with_the_map_and_shows_no_internals():
    text = pydoc.render_doc(ipc0cp, renderer=pydoc.plaintext)
    description = text[text.index("DESCRIPTION") : text.index("PACKAGE CONTENTS")]
    assert len(description.splitlines()) < 60
    for name in ("SharedRingBufferProducer", "register_type", "NoSpace", "enable_logging"):
        assert name in description
    contents = text[text.index("\nCLASSES") :]
    # Of a class only public members, with their signatures; nothing of the module but __all__.
    members = re.findall(r"^ {5}\|  (\w+)\(self", contents, re.MULTILINE)
    assert "push" in members
    assert not [name for name in members if re.fullmatch(r"_[a-z]\w*", name)]
    functions = contents[contents.index("\nFUNCTIONS") : contents.index("\nDATA")]
    names = re.findall(r"^    (\w+)\(", functions, re.MULTILINE)
    assert set(names) - {"__getattr__"} <= set(ipc0cp.__all__)


def test_the_cpp_api_has_pages_without_graphviz(tmp_path):
    """As `make docs` makes them, on a machine that has nothing but doxygen and sed."""
    if shutil.which("doxygen") is None:
        pytest.skip("doxygen is not installed: make docs")
    for name in ("doxygen", "sed", "sh"):
        (tmp_path / name).symlink_to(shutil.which(name))
    options = (ROOT / "docs" / "Doxyfile").read_text() + f"OUTPUT_DIRECTORY = {tmp_path}\n"
    result = subprocess.run([tmp_path / "doxygen", "-"], input=options, cwd=ROOT, text=True,
                            env={"PATH": str(tmp_path)}, capture_output=True, timeout=PATIENCE)
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "html" / "index.html").is_file()
