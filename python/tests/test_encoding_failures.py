# SPDX-License-Identifier: Apache-2.0
"""Whatever an object does while it is encoded: it is carried, or refused with UnsupportedType."""

from __future__ import annotations

import functools
import pickle
import signal

import numpy as np
import pytest
from helpers import decode, encode, new_name, round_trip, same
from PIL import Image

import ipc0cp
from ipc0cp.queues import Queue


def array_beside_objects() -> np.ndarray:
    """The plain fields of an array that also has an object field, which its dtype remembers."""
    whole = np.ndarray(3, "i,O,i")
    view = whole[["f0", "f2"]]
    view["f0"], view["f2"] = [1, 2, 3], 7
    return view


def array_of_a_user_dtype() -> np.ndarray:
    """An array of NumPy's example of a dtype that a user has made."""
    umath = pytest.importorskip("numpy._core._multiarray_umath")
    return np.array([1.0, 2.0, 3.0]).view(umath._get_sfloat_dtype()(1.0))


class HostileDlpack:
    def __dlpack__(self, **_):
        raise KeyError("no")

    def __dlpack_device__(self):
        raise ZeroDivisionError


class HostileArray(np.ndarray):
    def __dlpack__(self, **_):
        raise KeyError("no")

    @property
    def dtype(self):
        raise ZeroDivisionError


class HostileRepr:
    def __repr__(self):
        raise ValueError("no text")


class HostileMeta(type):
    def __getattr__(cls, name):
        raise OSError(name)


class HostileClass(metaclass=HostileMeta):
    pass


class OddModule:
    __module__ = property(lambda _: 1)


class HostileLength(dict):
    def __len__(self):
        raise OSError


def hostile_objects():
    yield "user dtype", array_of_a_user_dtype
    yield "user dtype, empty", lambda: array_of_a_user_dtype()[:0]
    yield "objects", lambda: np.array([1, "a"], object)
    yield "objects in fields", lambda: np.zeros(2, "i,O")
    yield "objects in subarrays", lambda: np.zeros(2, [("a", "O", (2,))])
    yield "dlpack", HostileDlpack
    yield "array class", lambda: np.zeros(3).view(HostileArray)
    yield "metaclass", HostileClass
    yield "module", OddModule
    yield "repr", HostileRepr
    yield "dict class", lambda: HostileLength(a=1)
    yield "memoryview", lambda: memoryview(bytearray(8))[::2]
    yield "key", lambda: {HostileRepr(): np.zeros(2)}
    yield "released", lambda: released_view()


def released_view() -> memoryview:
    view = memoryview(b"abc")
    view.release()
    return view


OBJECTS = [pytest.param(make, id=name) for name, make in hostile_objects()]
CONTAINERS = [
    pytest.param(wrap, id=name)
    for name, wrap in [
        ("alone", lambda obj: obj),
        ("list", lambda obj: [obj]),
        ("dict", lambda obj: {"a": obj, "b": np.zeros(2)}),
        ("tuple", lambda obj: (obj, 1)),
        ("deep", lambda obj: [[{"a": [obj]}]]),
    ]
]


@pytest.mark.parametrize("wrap", CONTAINERS)
@pytest.mark.parametrize("make", OBJECTS)
def test_refused_as_unsupported(make, wrap):
    with pytest.raises(ipc0cp.UnsupportedType):
        encode(wrap(make()))


def outcome_of(call):
    """The type of what is raised, or the bytes of the array that is returned."""
    try:
        return call().tobytes()
    except Exception as error:
        return type(error)


def test_a_user_dtype_in_a_queue_fares_as_pickle_has_it():
    array = array_of_a_user_dtype()
    expected = outcome_of(lambda: pickle.loads(pickle.dumps(array, 5)))
    queue = Queue(pickle=True)

    def through_the_queue():
        queue.put(array)
        return queue.get(timeout=30)

    try:
        for _ in range(2):
            assert outcome_of(through_the_queue) == expected
    finally:
        queue.close()


class Pickled:
    """Pickles what JSON and NumPy do not have."""

    def __init__(self, value=1):
        self.value = value

    def __eq__(self, other):
        return self.value == other.value

    def __dlpack__(self, **_):
        raise KeyError("no")


PICKLED = [
    pytest.param(make, id=name)
    for name, make in [
        ("objects", lambda: np.array([1, "a"], object)),
        ("objects in fields", lambda: np.zeros(2, "i,O")),
        ("dlpack", Pickled),
        ("beside objects", array_beside_objects),
    ]
]


@pytest.mark.parametrize("wrap", CONTAINERS)
@pytest.mark.parametrize("make", PICKLED)
def test_a_queue_that_may_pickle_carries_it(make, wrap):
    obj = make()
    queue = Queue(pickle=True)
    try:
        queue.put(wrap(obj))
        assert repr(queue.get(timeout=30)) == repr(wrap(obj)) or isinstance(obj, Pickled)
    finally:
        queue.close()


def texts_outside_the_array() -> np.ndarray:
    """An array whose memory holds pointers, though its dtype is not that of objects."""
    if not hasattr(np.dtypes, "StringDType"):
        pytest.skip("this NumPy has no StringDType")
    return np.array(["a", "b" * 100], np.dtypes.StringDType())


@pytest.mark.parametrize(
    "make",
    [lambda: np.array([1, "a"], object), lambda: np.zeros(0, object), texts_outside_the_array],
)
def test_a_queue_pickles_such_arrays_again_and_again(make):
    """What the first put tells the extension must not let it send the bytes of the second."""
    queue = Queue(pickle=True)
    try:
        for _ in range(3):
            queue.put(make())
            queue.put_nowait(make())
        for _ in range(6):
            found = queue.get(timeout=30)
            assert found.dtype == make().dtype
            assert found.tolist() == make().tolist()
    finally:
        queue.close()


class FromHandlerError(Exception):
    pass


def fail(*_):
    raise FromHandlerError


class Failing:
    def fail(self, *_):
        raise FromHandlerError

    __call__ = fail


HANDLERS = [
    pytest.param(fail, id="function"),
    pytest.param(Failing().fail, id="method"),
    pytest.param(Failing(), id="object"),
    pytest.param(functools.partial(Failing.fail, Failing()), id="partial"),
    pytest.param(lambda *_: fail(), id="nested"),
]


@pytest.fixture(params=HANDLERS)
def handler(request):
    before = signal.signal(signal.SIGUSR1, request.param)
    yield
    signal.signal(signal.SIGUSR1, before)


def interrupt(*_, **__):
    signal.raise_signal(signal.SIGUSR1)
    raise AssertionError("the handler raises")


class InterruptedTensor:
    """A signal arrives while NumPy asks for the memory."""

    __dlpack__ = interrupt

    def __dlpack_device__(self):
        return (1, 0)


class InterruptedMeta(type):
    __getattr__ = interrupt


def interrupted_class():
    """Made late: pytest asks all classes of a module for attributes."""
    return InterruptedMeta("Interrupted", (), {})()


def interrupted_image():
    """Is read while it is pushed, as all images of files are."""
    image = Image.new("L", (2, 2))
    image.load = interrupt
    return image


@pytest.mark.usefixtures("handler")
@pytest.mark.parametrize("make", [InterruptedTensor, interrupted_class, interrupted_image])
def test_what_a_signal_handler_raises_is_no_refusal(make):
    for value in (make(), [make(), np.zeros(2)]):
        with pytest.raises(FromHandlerError) as caught:
            encode(value)
        assert caught.value.__cause__ is None


@pytest.mark.usefixtures("handler")
def test_nothing_is_pickled_instead_of_what_a_signal_handler_raises():
    queue = Queue(pickle=True)
    try:
        with pytest.raises(FromHandlerError):
            queue.put(interrupted_image())
        assert queue.empty()
    finally:
        queue.close()


@pytest.mark.usefixtures("handler")
def test_a_signal_while_an_image_file_is_written_or_read(monkeypatch):
    image = ipc0cp.ImageData(Image.new("L", (2, 2)), "png")
    message = encode(image)
    with monkeypatch.context() as patch:
        patch.setattr(Image.Image, "save", interrupt)
        with pytest.raises(FromHandlerError):
            encode(image)
        patch.setattr(Image, "open", interrupt)
        with pytest.raises(FromHandlerError):
            decode(*message)
    assert same(decode(*message), image.image)


def test_an_answer_of_the_library_is_raised_as_it_is():
    with pytest.raises(ipc0cp.UnsupportedType, match=r"x\.tolist\(\)") as caught:
        encode(np.array([1, "a"], object))
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("wrap", CONTAINERS[:1] + CONTAINERS[1:3])
def test_fields_beside_an_object_field(wrap):
    view = array_beside_objects()
    plain = np.array(view.tolist(), "i4,i4")
    for array in (view, view.copy(), view[::2], view.reshape(3, 1), view[:0]):
        back = round_trip(wrap(array))
        back = back["a"] if isinstance(back, dict) else back[0] if isinstance(back, list) else back
        assert back.dtype == view.dtype
        assert back.tolist() == array.tolist()
        assert not back.dtype.hasobject
    assert plain.tolist() == round_trip(view).tolist()


def test_scalars_and_items_beside_an_object_field():
    view = array_beside_objects()
    assert round_trip(view[1]).tolist() == (2, 7)
    name = new_name()
    with (
        ipc0cp.SharedRingBufferProducer(name, 1 << 20) as producer,
        ipc0cp.SharedRingBufferConsumer(name, 1 << 20) as consumer,
    ):
        assert producer.push_many(view) == 3
        assert [consumer.pop(30).tolist() for _ in range(3)] == view.tolist()


def test_the_bytes_of_objects_never_leave_the_process():
    view = array_beside_objects()
    _, payload = encode(view)
    item = view.dtype.itemsize
    assert all(
        payload[start + 4 : start + 12] == bytes(8) for start in range(0, len(payload), item)
    )


def test_a_registered_serializer_may_raise_what_it_likes():
    class Own:
        def serialize(self):
            raise KeyError("mine")

    for value in (Own(), [Own()], {"a": [np.zeros(1), Own()]}):
        with pytest.raises(KeyError, match="mine"):
            encode(value)


def test_memory_that_is_gone_is_not_a_type(monkeypatch):
    from ipc0cp._codec import dtypes

    def fail(_):
        raise MemoryError

    monkeypatch.setattr(dtypes, "describe", fail)
    with pytest.raises(MemoryError):
        encode(np.zeros(2, "i,i"))
    assert same(round_trip(1), 1)
