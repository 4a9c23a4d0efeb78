"""Every language's definitions, with kind, breadcrumb, documentation and references: real grammars, no fixtures."""

from __future__ import annotations

import pytest

from conexus.chunking import LANGUAGES, Chunk, chunk_text

# Per language a source, and its outline: lines (0-based, end exclusive), kind, breadcrumb and symbol, documentation.
SOURCES: dict[str, tuple[str, str]] = {}

SOURCES["python"] = (
    '''
"""Module."""
import os
from a.b import c as d

LIMIT = 3

# Adds.
@cached(size=3)
def add(a: Number, b=make()) -> Total:
    """Add numbers.

    And more.
    """
    return a.plus(b)


class Store(Base, metaclass=Meta):
    """Keeps things."""

    size: int = 0

    def get(self):
        def inner():
            return 1
        return inner()

    @property
    def name(self): return self._name

async def run(): await go()
''',
    """
1-6 text
7-15 function add | Adds.
17-21 class Store | Keeps things.
22-26 method Store > get
27-29 method Store > name
30-31 function run
""",
)

SOURCES["rust"] = (
    """
use std::io::{self, Read};

/// Adds.
#[inline]
pub fn add<T>(a: T) -> Sum<T> {
    helper(a).finish(); print!("x")
}

/// A point.
#[derive(Debug)]
pub struct Point {
    x: u32,
}

impl<T> Display for Point<T> {
    fn fmt(&self) -> Result {
        write(self)
    }

    /// Doc of other.
    fn other(&self) {}
}

pub trait Shape {
    const N: u32;

    /// Area of it.
    /// In pixels.
    fn area(&self) -> f32;

    fn name(&self) -> String { String::new() }
}

enum Kind { A, B }
type Alias = Kind;
macro_rules! m { () => {} }

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn works() {}
}
""",
    """
1-2 text
3-8 function add | Adds.
9-14 struct Point | A point.
15-19 method Point > fmt
20-23 method Point > other | Doc of other.
24-26 trait Shape
27-30 method Shape > area | Area of it. / In pixels.
31-33 method Shape > name
34-35 enum Kind
35-36 type Alias
36-37 macro m
38-41 module tests
42-45 function tests > works
""",
)

SOURCES["go"] = (
    """
package a

import "fmt"

// Stack is one.
type Stack[T any] struct {
	items []T
}

// Push puts.
func (s *Stack[T]) Push(x T) error {
	return fmt.Errorf(x)
}

func New() *Stack { return make(Stack) }

type (
	// Shape is.
	Shape interface {
		Area() float64
	}
	ID = int
)

const Max = 3
""",
    """
1-4 text
5-9 struct Stack | Stack is one.
10-14 method Stack > Push | Push puts.
15-16 function New
17-22 interface Shape | Shape is.
22-26 text
""",
)

SOURCES["javascript"] = (
    """
import { a } from 'b';

/** Adds. */
export default function add(x) { return plus(x); }

export const sub = async (x) => {
  return x.minus();
};

class Store extends Base {
  #size = 0;

  /** Gets. */
  get() { return new Thing(); }

  handler = () => {
    go();
  };
}

module.exports.run = function () {
  go();
};

Store.prototype.put = function (x) {};

export default {
  data() {
    return 1;
  },
  name: 'x',
};

describe('store', () => {
  it('puts', () => {
    expect(1);
  });
});
""",
    """
1-2 text
3-5 function add | Adds.
6-9 function sub
10-12 class Store
13-15 method Store > get | Gets.
16-20 method Store > handler
21-24 function run
25-26 function Store > put
27-31 method data
31-33 text
34-39 test store
""",
)

SOURCES["typescript"] = (
    """
import type { A } from 'b';

interface Shape extends Base {
  area(): number;
}

type Id = string;

export enum Kind { A, B }

@Injectable()
export abstract class Store<T> implements Shape {
  private x = 1;

  constructor(private readonly a: A) {}

  /**
   * Gets it.
   */
  @Log()
  async get(id: Id): Promise<T> {
    return this.load<T>(id);
  }

  abstract put(x: T): void;
}

function over(a: string): void;
function over(a: number): void;
function over(a: any) { run(a); }

namespace N {
  export const f = () => 1;
}
""",
    """
1-2 text
3-6 interface Shape
7-8 type Id
9-10 enum Kind
11-14 class Store
15-16 method Store > constructor
17-24 method Store > get | Gets it.
25-27 class Store #1
28-31 function over
32-35 function N > f
""",
)

SOURCES["tsx"] = (
    """
export const View = ({ a }: Props) => {
  return <Panel title={a}><Text /></Panel>;
};
""",
    """
1-4 function View
""",
)

SOURCES["java"] = (
    """
package a.b;

import x.Y;

/** A store. */
@Service
public class Store<T> extends Base {
  private int size = 1;

  public Store() {}

  /**
   * Gets it.
   */
  @Override
  public T get(Key key) {
    return load(key).then(Store::done);
  }

  enum Kind { A, B }
}

interface Shape { double area(); }

record Point(int x) {}
""",
    """
1-4 text
5-9 class Store | A store.
10-11 method Store > Store
12-19 method Store > get | Gets it.
20-22 enum Store > Kind
23-24 interface Shape
25-26 class Point
""",
)

SOURCES["c"] = (
    r"""
#include <stdio.h>

#define MAX 10
#define ADD(a, b) \
  do { \
    (a) + (b); \
  } while (0)

/* A point. */
struct point {
  int x;
};

typedef struct {
  int y;
} size_type;

enum color { RED, GREEN };

static int counter = 0;

int declared(int x);

/* Finds it.
 * Always. */
static char **find(struct point *p) {
  return lookup(p->table(1));
}
""",
    """
1-4 text
4-8 macro ADD
9-13 struct point | A point.
14-17 struct size_type
18-19 enum color
20-23 text
24-29 function find | Finds it. / Always.
""",
)

SOURCES["cpp"] = (
    """
#include "a.h"

namespace a::b {

// A box.
template <class T>
class Box : public Base {
 public:
  Box() {}
  ~Box() {}

  // Gets it.
  T get() const { return load(value_); }

  bool operator==(const Box& o) const { return true; }

 private:
  T value_;
};

template <class T>
int Box<T>::size() {
  return std::max(x.count(), 1);
}

Box& make() { return *new Box(); }

enum class Color { Red };

}  // namespace a::b

TEST(BoxTest, Gets) {
  EXPECT_EQ(1, 1);
}
""",
    """
1-2 text
3-9 class a::b > Box | A box.
9-10 method a::b > Box > Box
10-11 method a::b > Box > ~Box
12-14 method a::b > Box > get | Gets it.
15-16 method a::b > Box > operator==
17-20 class a::b > Box #1
21-25 method a::b > Box > size
26-27 function a::b > make
28-31 enum a::b > Color
32-35 test BoxTest > Gets
""",
)

SOURCES["csharp"] = (
    """
using System;

namespace A.B
{
    /// <summary>Keeps.</summary>
    [Serializable]
    public class Store<T> : Base
    {
        private int size;

        public Store() { }

        /// <summary>Gets it.</summary>
        public T Get(Key key)
        {
            return this.Load<T>(key);
        }

        public int Size
        {
            get { return size; }
            set { size = value; }
        }
    }

    interface IShape { double Area(); }

    enum Kind { A }

    record Point(int X);

    struct Pair { }
}
""",
    """
1-2 text
3-10 class A.B > Store | Keeps.
11-12 method A.B > Store > Store
13-18 method A.B > Store > Get | Gets it.
19-25 property A.B > Store > Size
26-27 interface A.B > IShape
28-29 enum A.B > Kind
30-31 class A.B > Point
32-34 struct A.B > Pair
""",
)

SOURCES["ruby"] = (
    """
require "set"

module Shop
  # Keeps.
  class Store < Base
    include Enumerable

    LIMIT = 3

    # Gets it.
    def get(key)
      load(key).first
    end

    def self.open = new

    class << self
      def close
        stop
      end
    end

    private

    def empty?; true; end
  end
end

describe "store" do
  it "gets" do
  end
end
""",
    """
1-2 text
3-9 class Shop > Store | Keeps.
10-14 method Shop > Store > get | Gets it.
15-16 method Shop > Store > open
17-24 method Shop > Store > close
25-28 method Shop > Store > empty?
29-33 test store
""",
)

SOURCES["php"] = (
    r"""<?php
namespace A\B;

use X\Y;

/** Helps. */
function help($x) {
    return strlen($x);
}

/**
 * Keeps.
 */
#[Service]
class Store extends Base implements Shape
{
    use Macroable;

    const LIMIT = 3;

    /** Gets it. */
    public static function get($key)
    {
        return (new Loader)->load($key);
    }

    abstract function put();
}

trait Macroable {}
interface Shape {}
enum Kind { case A; }
""",
    """
0-4 text
5-9 function help | Helps.
10-19 class Store | Keeps.
20-25 method Store > get | Gets it.
26-28 method Store > put
29-30 trait Macroable
30-31 interface Shape
31-32 enum Kind
""",
)

SOURCES["bash"] = (
    """#!/bin/bash
set -e

# Greets.
greet() {
  echo "hi $(whoami)"
}

function leave {
  greet x
}

greet
""",
    """
0-2 text
3-7 function greet | Greets.
8-11 function leave
12-13 text
""",
)

SOURCES["lua"] = (
    """
local util = require("util")
local M = {}

--- Opens it.
function M.open(path)
  return util.read(path)
end

function M:close() self:stop() end

M.run = function() end

local function helper()
  print(1)
end

local later = function() end

return M
""",
    """
1-3 text
4-8 function M > open | Opens it.
9-10 method M > close
11-12 function M > run
13-16 function helper
17-18 function later
19-20 text
""",
)

SOURCES["scala"] = (
    """
package a.b

import x.{Y, Z}

/** Keeps. */
@deprecated
final case class Store(x: Int) extends Base[Key] {
  val size = 1

  /** Gets it. */
  def get(key: Key): Value = load(key).head
}

object Store {
  implicit def toKey(x: Int): Key = new Key(x)
}

trait Shape {
  def area: Double
}
""",
    """
1-4 text
5-9 class Store | Keeps.
10-13 method Store > get | Gets it.
14-15 class Store
15-17 method Store > toKey
18-21 trait Shape
""",
)

SOURCES["kotlin"] = (
    """
package a.b

import x.Y

/** Trims. */
@Pure
fun String.trimmed(n: Int): String {
    return trim(n).rest()
}

class Store(val x: Int) : Base() {
    val size: Int
        get() = 1

    /** Gets it. */
    fun get(key: Key) = load(key)

    companion object {
        fun open() = Store(1)
    }
}

interface Shape {
    fun area(): Double
}

object Single

enum class Kind { A, B }

typealias Id = Int
""",
    """
1-4 text
5-10 function String > trimmed | Trims.
11-14 class Store
15-17 method Store > get | Gets it.
18-22 method Store > open
23-24 interface Shape
24-26 method Shape > area
27-28 class Single
29-30 enum Kind
31-32 type Id
""",
)

SOURCES["swift"] = (
    """
import Foundation

/// Trims.
@inlinable
public func trim(x: Int) -> String {
    return rest(x).go()
}

class Store: Base {
    var size = 1

    init(x: Int) {}

    /// Gets it.
    func get(key: Key) -> Value { load(key) }
}

extension Store: Shape {
    func area() -> Double { 1 }
}

struct Point { var x: Int }

protocol Shape {
    func area() -> Double
}

enum Kind { case a }

func == (a: Point, b: Point) -> Bool { true }
""",
    """
1-2 text
3-8 function trim | Trims.
9-11 class Store
12-13 method Store > init
14-17 method Store > get | Gets it.
18-21 method Store > area
22-23 struct Point
24-27 interface Shape
28-29 enum Kind
30-31 function ==
""",
)

SOURCES["haskell"] = (
    """
module A.B where

import Data.Map (lookup, Map)

-- | Finds it.
-- Always.
find :: Key -> Maybe Value
find 0 = Nothing
find k = load (go k)
  where
    go x = x

data Shape = Circle | Square { side :: Int }

newtype Id = Id Int

class Area a where
  area :: a -> Int

instance Area Shape where
  area Circle = 1
  area s = side s

(<+>) :: Int -> Int -> Int
a <+> b = plus a b
""",
    """
1-4 text
5-12 function find | Finds it. / Always.
13-14 type Shape
15-16 type Id
17-18 class Area
18-19 method Area > area
20-23 method Area > area
24-26 function <+>
""",
)

SOURCES["elixir"] = (
    '''
defmodule Shop.Store do
  @moduledoc "Keeps."
  use GenServer

  @limit 3

  @doc """
  Gets it.
  """
  @spec get(key) :: value
  def get(key) when is_binary(key) do
    Loader.load(key)
  end

  def size([]), do: 0
  def size([_ | t]), do: 1 + size(t)

  defp hidden, do: :ok

  defmacro twice(x) do
    quote(do: x)
  end
end

defimpl Shape, for: Shop.Store do
  def area(_), do: 1
end
''',
    """
1-6 module Shop.Store | Keeps.
7-14 function Shop.Store > get | Gets it.
15-17 function Shop.Store > size
18-19 function Shop.Store > hidden
20-24 macro Shop.Store > twice
25-28 function Shape > area
""",
)

SOURCES["zig"] = (
    """
const std = @import("std");

/// A point.
pub const Point = struct {
    x: u32,

    /// Gets it.
    pub fn get(self: Point) u32 {
        return std.max(load(self));
    }
};

const Kind = enum { a, b };

/// Adds.
pub fn add(a: u32) !void {
    _ = a;
}

test "adds" {
    try add(1);
}
""",
    """
1-2 text
3-8 struct Point | A point.
8-12 method Point > get
13-14 enum Kind
15-19 function add | Adds.
20-23 test adds
""",
)

SOURCES["markdown"] = (
    """---
title: x
---

Intro.

# The *store*

Call `Store.get()`.

## Use

```sh
# not a heading
```

Notes
=====
More.
""",
    """
0-5 text
6-9 section The *store*
10-15 section The *store* > Use
16-19 section Notes
""",
)


def described(chunk: Chunk) -> str:
    """``3-7 method Store > get #1 | Documentation / of two lines``."""
    name = " > ".join(part for part in (*chunk.breadcrumb, chunk.symbol) if part)
    part = f"#{chunk.part}" if chunk.part else ""
    head = " ".join(word for word in (f"{chunk.start_line}-{chunk.end_line}", chunk.kind, name, part) if word)
    documentation = " / ".join(chunk.documentation.split("\n"))
    return f"{head} | {documentation}" if documentation else head


def check(language: str, source: str, expected: str) -> None:
    found = "\n".join(described(chunk) for chunk in chunk_text(source, language))
    assert found == expected.strip()


def test_every_language_is_checked() -> None:
    assert set(SOURCES) == LANGUAGES


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_outline(language: str) -> None:
    check(language, *SOURCES[language])


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_outline_does_not_depend_on_line_ends(language: str) -> None:
    source, expected = SOURCES[language]
    check(language, source.replace("\n", "\r\n"), expected)
