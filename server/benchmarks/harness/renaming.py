"""Another code base of the same shape: words in identifiers get a syllable, keywords and well-known names stay.

Only text that follows a word's letters is added, so escapes, numbers and punctuation keep their meaning.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import PurePath

_SHORTEST = 4
#: Two hex digits of the hash choose whether a word changes, the rest choose the syllable.
_SHARE = 0.5
_SYLLABLES = tuple(f"{first}{second}{last}" for first in "bdfgklmnprtvz" for second in "aeiou" for last in "lnrsx")

_IDENTIFIER = re.compile(r"(?<![\w$])[A-Za-z_]\w*")
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")

#: Language by extension; what is not here is copied as it is.
LANGUAGES = {
    extension: language
    for language, extensions in {
        "bash": "sh bash bats", "c": "c", "cpp": "cc cpp cxx h hpp hxx", "csharp": "cs", "elixir": "ex exs", "go": "go",
        "haskell": "hs", "java": "java", "javascript": "js jsx mjs cjs", "kotlin": "kt kts", "lua": "lua",
        "markdown": "md", "php": "php", "python": "py pyi", "ruby": "rb rake", "rust": "rs", "scala": "scala sc",
        "swift": "swift", "typescript": "ts mts cts", "tsx": "tsx", "zig": "zig",
    }.items()
    for extension in extensions.split()
}  # fmt: skip

# Names that every reader of the language knows, and words of test frameworks: they say what a file is.
_EVERYWHERE = """
    test tests testing spec specs describe context expect assert mock fixture main self this super true false null
    none http https www todo fixme copyright license
"""
_C = """
    alignas alignof auto bool break case char const constexpr continue default define defined defer do double elif else
    endif enum error extern float ifdef ifndef include inline line long noreturn nullptr pragma register restrict
    return short signed sizeof static struct switch thread_local typedef typeof undef union unsigned void volatile
    warning while once size_t ssize_t uint8_t uint16_t uint32_t uint64_t int8_t int16_t int32_t int64_t attribute
    __attribute__ __declspec malloc calloc realloc free memcpy memset strlen strcmp printf fprintf sprintf
"""
_JAVASCRIPT = """
    abstract async await break case catch class const continue debugger declare default delete else enum export extends
    finally from function global implements import infer instanceof interface keyof module namespace never number
    object override package private protected public readonly require return satisfies static string super switch
    symbol throw type typeof undefined unique unknown void while with yield boolean bigint constructor accessor assert
    asserts exports console promise array error JSON Math Object String Number Promise Array Error Boolean Symbol
    document window length prototype
"""
_KEPT = {
    "bash": """
        then else elif while until done case esac select function time echo printf read local export declare typeset
        readonly return exit unset shift test eval exec source trap alias command builtin getopts let mapfile readarray
        set shopt type ulimit umask wait grep sed awk find sort uniq head tail xargs mkdir touch chmod
    """,
    "c": _C,
    "cpp": _C + """
        catch char8_t char16_t char32_t class concept consteval constinit co_await co_return co_yield decltype delete
        dynamic_cast explicit export final friend import module mutable namespace noexcept operator override private
        protected public reinterpret_cast requires static_assert static_cast const_cast template this throw typeid
        typename using virtual wchar_t string vector unique_ptr shared_ptr move forward
    """,
    "csharp": """
        abstract async await base bool break byte case catch char checked class const continue decimal default delegate
        double dynamic else enum event explicit extern file finally fixed float foreach from global goto group implicit
        init interface internal into join let lock long managed nameof namespace nint nuint nullable object operator
        orderby override params partial private protected public readonly record region endregion required return
        sbyte scoped sealed select short sizeof stackalloc static string struct switch throw typeof uint ulong
        unchecked unmanaged unsafe ushort using value virtual void volatile when where while with yield pragma warning
        define elif else endif restore disable enable System Task List String Console
    """,
    "elixir": """
        after alias behaviour callback case catch cond def defdelegate defexception defguard defguardp defimpl
        defmacro defmacrop defmodule defoverridable defp defprotocol defstruct doc else end ensure false for fn import
        moduledoc opaque quote raise receive require rescue spec super throw true try type typep typedoc unless unquote
        unquote_splicing when with GenServer Enum Map String Agent Kernel
    """,
    "go": """
        break case chan const continue default defer else fallthrough func goto import interface package range return
        select struct switch type append close complex copy delete imag make panic print println real recover bool byte
        error float32 float64 int8 int16 int32 int64 rune string uint uint8 uint16 uint32 uint64 uintptr iota context
        main init
    """,
    "haskell": """
        case class data default deriving else family forall foreign hiding import infix infixl infixr instance module
        newtype pattern proc qualified role stock then type where anyclass LANGUAGE INLINE INLINABLE NOINLINE
        OVERLAPPING OVERLAPPABLE UNPACK SPECIALIZE OPTIONS_GHC Maybe Just Nothing Either Left Right return pure fmap
        otherwise define elif else endif ifdef ifndef include defined
    """,
    "java": """
        abstract assert boolean break byte case catch char class const continue default double else enum exports extends
        final finally float goto implements import instanceof interface long module native new non-sealed opens package
        permits private protected provides public record requires return sealed short static strictfp super switch
        synchronized this throw throws transient transitive uses void volatile when while with yield String Object
        Override Integer Long List
    """,
    "javascript": _JAVASCRIPT,
    "kotlin": """
        abstract actual annotation break by catch class companion const constructor continue crossinline data delegate
        dynamic else enum expect external field file final finally for fun get import infix init inline inner interface
        internal lateinit noinline open operator out override package param private property protected public receiver
        reified return sealed set setparam suspend super tailrec this throw true try typealias typeof value vararg when
        where while String Boolean Unit List
    """,
    "lua": """
        break else elseif false function goto local nil not repeat return then true until while require table string
        pairs ipairs print type tostring tonumber setmetatable getmetatable pcall error
    """,
    "markdown": "",
    "php": """
        abstract array as break callable case catch class clone const continue declare default echo else elseif empty
        enddeclare endfor endforeach endif endswitch endwhile enum eval exit extends final finally fn for foreach
        function global goto implements include include_once instanceof insteadof interface isset list match namespace
        new parent print private protected public readonly require require_once return self static strict_types switch
        throw trait true unset use var while yield from bool int float string void mixed never object iterable false
        null __construct
    """,
    "python": """
        assert async await break case class continue def del elif else except finally for from global if import lambda
        match nonlocal pass raise return try type while with yield print len range list dict tuple bytes object super
        isinstance issubclass property classmethod staticmethod getattr setattr hasattr enumerate sorted self open float
        bool format Exception ValueError TypeError KeyError
    """,
    "ruby": """
        alias begin break case class defined else elsif end ensure false for module next nil not redo rescue retry
        return self super then true undef unless until when while yield require require_relative attr_accessor
        attr_reader attr_writer include extend prepend private protected public puts raise lambda proc loop each
        __FILE__ __LINE__ __method__ freeze
    """,
    "rust": """
        abstract async await become box break const continue crate default dyn else enum extern false final fn for impl
        in let loop macro macro_rules match mod move mut override priv pub raw ref return safe self Self static struct
        super trait true try type typeof union unsafe unsized use virtual where while yield usize isize bool char
        derive cfg_attr test Vec Option Some None Result String Box expr ident literal pat path stmt block item meta
        tokentree lifetime vis pat_param
    """,
    "scala": """
        abstract case catch class def derives do else end enum export extends extension false final finally for forSome
        given if implicit import infix inline lazy match new null object opaque open override package private protected
        return sealed super then this throw trait transparent true try type using val var while with yield String
    """,
    "swift": """
        actor associatedtype async attached available await borrowing break case catch class consuming continue
        convenience default defer deinit didSet distributed dynamic else enum extension fallthrough false fileprivate
        final for func get guard import indirect infix init inout internal isolated lazy left let macro mutating none
        nonisolated nonmutating open operator optional override package postfix precedencegroup prefix private protocol
        public repeat required rethrows return right sendable set some static struct subscript super switch throw throws
        true typealias unowned weak where while willSet canImport compiler elseif endif selector keyPath escaping
        autoclosure unknown String Bool Array
    """,
    "typescript": _JAVASCRIPT,
    "tsx": _JAVASCRIPT,
    "zig": """
        addrspace align allowzero anyframe anytype asm async await break callconv catch comptime const continue defer
        else enum errdefer error export extern fn for if inline linksection noalias noinline nosuspend opaque or orelse
        packed pub resume return struct suspend switch test threadlocal try union unreachable usingnamespace var
        volatile while import bool void noreturn type anyerror comptime_int comptime_float usize isize undefined
    """,
}  # fmt: skip
_ROLES = frozenset(_EVERYWHERE.split())
KEPT = {language: _ROLES | frozenset(words.split()) for language, words in _KEPT.items()}


class Renamer:
    """The words of one code base, numbered from 0. The base 0 is the original."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._syllables: dict[str, str] = {}

    def text(self, text: str, language: str = "markdown") -> str:
        """A text with its identifiers renamed. A first line for the shell's eyes stays."""
        if not self._number:
            return text
        kept = KEPT[language]
        first, newline, rest = text.partition("\n") if text.startswith("#!") else ("", "", text)
        renamed = _IDENTIFIER.sub(lambda found: found[0] if found[0] in kept else self._identifier(found[0]), rest)
        return first + newline + renamed

    def path(self, path: PurePath) -> PurePath:
        """A file's path: the names of source files change, those of folders and of anything else say what it is."""
        language = LANGUAGES.get(path.suffix[1:])
        if not self._number or language is None:
            return path
        stem, dot, endings = path.name.partition(".")
        return path.with_name(self.text(stem, language) + dot + endings)

    def _identifier(self, name: str) -> str:
        return _PART.sub(lambda part: self._part(part[0]), name)

    def _part(self, part: str) -> str:
        if len(part) < _SHORTEST:
            return part
        word = part.lower()
        if word in _ROLES:
            return part
        syllable = self._syllables.get(word)
        if syllable is None:
            syllable = self._syllables[word] = self._syllable(word)
        return part + (syllable.upper() if part.isupper() else syllable)

    def _syllable(self, word: str) -> str:
        digest = hashlib.blake2b(f"{self._number}:{word}".encode(), digest_size=4).digest()
        if digest[0] >= 256 * _SHARE:
            return ""
        return _SYLLABLES[int.from_bytes(digest[1:]) % len(_SYLLABLES)]
