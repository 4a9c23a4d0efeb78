"""Converts JSON values to typed values, strictly: `"5"` is not a number, and an error says which field is wrong."""

from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Any, Literal, TypeVar, cast, get_args, get_origin

import attrs
from cattrs import BaseValidationError, Converter
from cattrs.errors import AttributeValidationNote, IterableValidationNote
from cattrs.gen import make_dict_structure_fn, override
from lsprotocol.types import ProgressToken
from lsprotocol.validators import UINTEGER_MAX_VALUE, uinteger_validator
from pygls.protocol import default_converter

from conexus.config import camel_case
from conexus.lsp import types

T = TypeVar("T")
V = TypeVar("V", int, str)
Hook = Callable[[Any, Any], Any]

#: The names of the types of JSON values in a sentence for the user.
_NAMES: Mapping[type, str] = {
    bool: "a boolean",
    int: "a number",
    float: "a number",
    str: "a string",
    list: "an array",
    dict: "an object",
    type(None): "null",
}


class ParamsError(ValueError):
    """Parameters that do not fit their type. The message is one sentence that names the field."""


class _UnfitError(ValueError):
    """A value that does not fit. The message continues a sentence that begins with the field's name."""


def make_converter() -> Converter:
    """Returns lsprotocol's converter, made strict for numbers, strings, booleans, arrays and objects."""
    converter: Converter = default_converter()  # type: ignore[no-untyped-call]
    converter.register_structure_hook(bool, _boolean)
    converter.register_structure_hook(int, _whole_number)
    converter.register_structure_hook(float, _number)
    converter.register_structure_hook(str, _string)
    converter.register_structure_hook(types.Limit, _limit)
    converter.register_structure_hook(ProgressToken, _token)
    converter.register_structure_hook(ProgressToken | None, _optional_token)
    converter.register_structure_hook_factory(_is_literal, _literals)
    converter.register_structure_hook_factory(_is_array, lambda cls: _arrays(cls, converter))
    converter.register_structure_hook_factory(attrs.has, lambda cls: _objects(cls, converter))
    return converter


def structure_params(converter: Converter, raw: object, cls: type[T]) -> T:
    """Returns the parameters of a message. Absent parameters (None) count as an object without fields.

    Raises:
        ParamsError: the parameters do not fit.
    """
    try:
        return converter.structure({} if raw is None else raw, cls)
    except Exception as error:
        raise ParamsError(_sentence(error)) from error


def _objects(cls: type, converter: Converter) -> Hook:
    names = {
        field.name: override(
            rename=camel_case(field.name), struct_hook=_uinteger if field.validator is uinteger_validator else None
        )
        for field in attrs.fields(cls)
    }
    structure: Hook = make_dict_structure_fn(cls, converter, **names)  # type: ignore[arg-type]
    ours = cls.__module__ == types.__name__

    def hook(value: Any, _: Any) -> Any:
        # Lua writes its empty table as an empty array.
        fields = {} if value == [] else value
        if not isinstance(fields, Mapping):
            raise _unfit("an object", value)
        if ours:
            fields = {name: item for name, item in fields.items() if item is not None}
        return structure(fields, cls)

    return hook


def _is_array(cls: Any) -> bool:
    return get_origin(cls) in {Sequence, list}


def _arrays(cls: Any, converter: Converter) -> Hook:
    (item_type,) = get_args(cls)
    structure = converter.get_structure_hook(item_type)

    def hook(value: Any, _: Any) -> list[Any]:
        if not isinstance(value, list):
            raise _unfit("an array", value)
        items = []
        for index, item in enumerate(value):
            try:
                items.append(structure(item, item_type))
            except Exception as error:
                error.add_note(IterableValidationNote("", index, item_type))
                raise
        return items

    return hook


def _is_literal(cls: Any) -> bool:
    return bool(get_origin(cls) == Literal)


def _literals(cls: Any) -> Hook:
    allowed = get_args(cls)

    def hook(value: Any, _: Any) -> Any:
        if value not in allowed:
            raise _UnfitError(f"must be one of {', '.join(map(repr, allowed))}")
        return value

    return hook


def _boolean(value: Any, _: Any) -> bool:
    if not isinstance(value, bool):
        raise _unfit("a boolean", value)
    return value


def _whole_number(value: Any, cls: Any) -> int:
    # JSON has one kind of number; some clients write 5 as 5.0.
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise _unfit("a whole number", value)
    return _member(value, cls)


def _uinteger(value: Any, _: Any) -> int:
    number = _whole_number(value, int)
    if number < 0:
        raise _UnfitError("must be 0 or more")
    # The protocol's numbers end at 2**31 - 1, but some clients write "to the end" as a larger number.
    return min(number, UINTEGER_MAX_VALUE)


def _number(value: Any, _: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _unfit("a number", value)
    return float(value)


def _string(value: Any, cls: Any) -> str:
    if not isinstance(value, str):
        raise _unfit("a string", value)
    return _member(value, cls)


def _member(value: V, cls: Any) -> V:
    """Returns the member of an enumeration. An unknown value is kept, because it belongs to a later protocol."""
    if not issubclass(cls, Enum):
        return value
    try:
        return cast("V", cls(value))
    except ValueError:
        return value


def _limit(value: Any, _: Any) -> types.Limit:
    number = _whole_number(value, int)
    if not 1 <= number <= types.LARGEST_LIMIT:
        raise _UnfitError(f"must be 1 to {types.LARGEST_LIMIT}")
    return types.Limit(number)


def _token(value: Any, _: Any) -> ProgressToken:
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise _unfit("a whole number or a string", value)
    return value


def _optional_token(value: Any, _: Any) -> ProgressToken | None:
    return None if value is None else _token(value, ProgressToken)


def _unfit(expected: str, value: object) -> _UnfitError:
    return _UnfitError(f"must be {expected}, not {_NAMES.get(type(value), 'that')}")


def _sentence(error: BaseException) -> str:
    path = ""
    while True:
        for note in reversed(getattr(error, "__notes__", ())):
            if isinstance(note, AttributeValidationNote):
                path += f".{camel_case(note.name)}"
            elif isinstance(note, IterableValidationNote):
                path += f"[{note.index}]"
        if not isinstance(error, BaseValidationError):
            break
        error = error.exceptions[0]
    where = f"`{path.removeprefix('.') or 'params'}`"
    match error:
        case _UnfitError():
            return f"{where} {error}."
        case KeyError():
            return f"{where} is missing."
        case _:
            return f"{where} is not valid."
