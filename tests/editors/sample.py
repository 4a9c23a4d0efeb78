"""The workspace that every editor opens: a shop in several languages, and a branch on which it works otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.repositories import commit, git
from tests.workspaces import write

Encoding = Literal["utf-8", "utf-16", "utf-32"]

_FILES = '''
//- /shop/prices.py
"""What things cost."""

from decimal import Decimal


def total_with_discount(prices: list[Decimal], percent: int) -> Decimal:
    """Add up a basket and take the customer's discount off."""
    total = sum(prices, Decimal(0))
    return total * (100 - percent) / 100


def add_sales_tax(amount: Decimal, country: str) -> Decimal:
    """Put the tax of a country on top of an amount."""
    rates = {"DE": 19, "FR": 20, "IE": 23}
    return amount * (100 + rates.get(country, 0)) / 100
//- /shop/checkout.py
"""From a full basket to a paid order."""

from shop.prices import add_sales_tax, total_with_discount
from shop.retry import retry_with_backoff


class Checkout:
    """What happens between the basket and the parcel."""

    def __init__(self, bank, country: str) -> None:
        self.bank = bank
        self.country = country

    def amount_due(self, basket) -> object:
        """What the customer has to pay in the end."""
        net = total_with_discount([item.price for item in basket], basket.discount)
        return add_sales_tax(net, self.country)

    def pay(self, basket, card) -> object:
        """Charge the card, and try again while the bank does not answer."""
        return retry_with_backoff(lambda: self.bank.charge(card, self.amount_due(basket)))
//- /shop/retry.py
"""Trying again."""

import time


def retry_with_backoff(action, attempts: int = 5):
    """Call an action again with growing delays until it succeeds."""
    for attempt in range(attempts):
        try:
            return action()
        except ConnectionError:
            time.sleep(2**attempt)
    raise ConnectionError(f"gave up after {attempts} attempts")
//- /shop/exchange.py
"""Money of other countries."""

_RATES = {"EUR": 1.0, "USD": 1.08, "GBP": 0.85}


def fixed_exchange_rate(currency: str) -> float:
    """Look up what a euro is worth in a foreign currency, in a table that we keep."""
    return _RATES[currency]
//- /tests/test_prices.py
from decimal import Decimal

from shop.prices import add_sales_tax, total_with_discount


def test_total_with_discount():
    assert total_with_discount([Decimal(40), Decimal(60)], 10) == 90


def test_add_sales_tax():
    assert add_sales_tax(Decimal(100), "DE") == 119
//- /tests/test_retry.py
from shop.retry import retry_with_backoff


def test_retry_with_backoff_gives_the_result():
    assert retry_with_backoff(lambda: "paid") == "paid"
//- /web/session.ts
export interface Session {
  user: string;
  token: string;
  expires: number;
}

/** Renew the login of a customer shortly before it runs out. */
export async function refreshSession(session: Session): Promise<Session> {
  if (session.expires - Date.now() > 60_000) return session;
  const answer = await fetch("/api/session", { method: "POST", body: session.token });
  return answer.json();
}

/** Forget the login, here and on the server. */
export async function signOut(session: Session): Promise<void> {
  await fetch("/api/session", { method: "DELETE", body: session.token });
}
//- /web/party.ts
// The page that thanks for an order.

/* 🎉🎊 乾杯 */ export function launchFireworks(rockets: number): string[] {
  return Array.from({ length: rockets }, (_, i) => "🎆".repeat(i + 1));
}

export function thankCustomer(name: string): string {
  return `Thank you, ${name}!`;
}
//- /mail/sender.go
package mail

import "net/smtp"

// SendReceipt posts the bill of an order to the customer by electronic mail.
func SendReceipt(server string, customer string, bill []byte) error {
	return smtp.SendMail(server, nil, "shop@example.com", []string{customer}, bill)
}

// QueueNewsletter remembers who wants to hear of new goods.
func QueueNewsletter(queue chan<- string, customer string) {
	queue <- customer
}
//- /stock/src/lib.rs
//! What lies in the warehouse.

use std::collections::HashMap;

pub struct Warehouse {
    shelves: HashMap<String, u32>,
}

impl Warehouse {
    /// Take goods off the shelf for an order, unless there are too few.
    pub fn reserve(&mut self, article: &str, count: u32) -> Result<(), String> {
        let left = self.shelves.get_mut(article).ok_or("no such article")?;
        *left = left.checked_sub(count).ok_or("sold out")?;
        Ok(())
    }

    /// Put goods back that a customer has returned.
    pub fn restock(&mut self, article: &str, count: u32) {
        *self.shelves.entry(article.to_owned()).or_insert(0) += count;
    }
}
//- /README.md
# The shop

A small shop: prices, checkout, stock, mail and a web page.

## Opening hours

Orders are sent on working days.
'''

_OTHER_BRANCH = '''
//- /shop/exchange.py
"""Money of other countries."""

import json
from urllib.request import urlopen


def live_exchange_rate(currency: str) -> float:
    """Ask the bank over the network what a euro is worth in a foreign currency today."""
    with urlopen(f"https://bank.example/rates/{currency}") as answer:
        return float(json.load(answer)["rate"])
'''


@dataclass(frozen=True, slots=True)
class Place:
    """Where a name stands, both 0-based."""

    path: Path
    line: int
    #: What is left of the name on its line.
    before: str

    def column(self, encoding: Encoding) -> int:
        """How many code units of an encoding are left of it."""
        units = {"utf-8": 1, "utf-16": 2, "utf-32": 4}[encoding]
        return len(self.before.encode(encoding if units == 1 else f"{encoding}-le")) // units


@dataclass(frozen=True, slots=True)
class Sample:
    """The workspace on disk, a git repository.

    Questions and their first answers: `QUERY` finds `ANSWER` on both branches; `RATES_QUERY` finds `rates_answer()`,
    which belongs to the branch that is checked out; `EMOJI_QUERY` finds `EMOJI_ANSWER`, which has wide characters
    of several lengths on its left. Nothing answers `NEW_QUERY` until `NEW_CODE` is typed somewhere.
    """

    root: Path

    MAIN = "main"
    OTHER = "live-rates"

    QUERY = "call again with growing delays"
    ANSWER = "retry_with_backoff"
    RATES_QUERY = "what is a euro worth in a foreign currency"
    EMOJI_QUERY = "launch fireworks"
    EMOJI_ANSWER = "launchFireworks"
    NEW_QUERY = "water the plants on the balcony"
    NEW_ANSWER = "give_plants_water"
    #: One line, so that it can be typed into any editor without its indentation having a say.
    NEW_CODE = 'def give_plants_water(): return "Water the plants on the balcony every evening."'

    @classmethod
    def create(cls, root: Path) -> Sample:
        """Write it below a new folder; `MAIN` is checked out."""
        root.mkdir(parents=True)
        git(root, "init", "--quiet", "--initial-branch", cls.MAIN)
        write(root, _FILES)
        commit(root, "A shop")
        git(root, "checkout", "--quiet", "-b", cls.OTHER)
        write(root, _OTHER_BRANCH)
        commit(root, "Ask the bank for rates")
        git(root, "checkout", "--quiet", cls.MAIN)
        return cls(root)

    def switch(self, branch: str) -> None:
        """Check a branch out, as a user does at a terminal."""
        git(self.root, "checkout", "--quiet", branch)

    def rates_answer(self) -> str:
        """What answers `RATES_QUERY` now."""
        head = git(self.root, "branch", "--show-current").strip()
        return {self.MAIN: "fixed_exchange_rate", self.OTHER: "live_exchange_rate"}[head]

    @property
    def emoji_file(self) -> Path:
        return self.root / "web/party.ts"

    def place_of(self, name: str, path: Path) -> Place:
        """Where a name first stands in a file."""
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines()):
            before, found, _ = line.partition(name)
            if found:
                return Place(path, number, before)
        raise AssertionError(f"{name} is not in {path}")
