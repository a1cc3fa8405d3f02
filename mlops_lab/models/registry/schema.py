"""What does the registry's file hold? The history, and the tables that the history adds up to.

`events` is the truth and is never changed; every other table but `head` can be made again from it, and `verify` does
so. `head` remembers how long the history was, so that a missing end is noticed.
"""

from __future__ import annotations

__all__ = ["APPLICATION_ID", "SCHEMA", "STATE", "STATE_TABLES", "VERSION"]

APPLICATION_ID = 0x4D4C5247
VERSION = 1

STATE = """
CREATE TABLE models (name TEXT PRIMARY KEY, requires_approval INTEGER NOT NULL DEFAULT 0);
CREATE TABLE versions (
  name TEXT NOT NULL REFERENCES models, version INTEGER NOT NULL CHECK (version > 0), run_id TEXT NOT NULL,
  artefact TEXT NOT NULL,
  stage TEXT NOT NULL CHECK (stage IN ('None', 'Staging', 'Production', 'Archived')),
  author TEXT NOT NULL, created TEXT NOT NULL, description TEXT NOT NULL,
  report_seq INTEGER, report TEXT, report_passed INTEGER, report_champion INTEGER,
  PRIMARY KEY (name, version), UNIQUE (name, run_id));
CREATE UNIQUE INDEX one_production ON versions (name) WHERE stage = 'Production';
CREATE TABLE tags (
  name TEXT NOT NULL, version INTEGER NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,
  PRIMARY KEY (name, version, key), FOREIGN KEY (name, version) REFERENCES versions);
CREATE TABLE aliases (
  name TEXT NOT NULL, alias TEXT NOT NULL, version INTEGER NOT NULL,
  PRIMARY KEY (name, alias), FOREIGN KEY (name, version) REFERENCES versions);
CREATE TABLE approvals (
  name TEXT NOT NULL, version INTEGER NOT NULL, artefact TEXT NOT NULL, report TEXT NOT NULL, state TEXT NOT NULL,
  requested_by TEXT NOT NULL, requested_at TEXT NOT NULL, expires_at TEXT NOT NULL, why TEXT NOT NULL,
  decided_by TEXT, decided_at TEXT, comment TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (name, version), FOREIGN KEY (name, version) REFERENCES versions);
CREATE TABLE reigns (seq INTEGER PRIMARY KEY, name TEXT NOT NULL, version INTEGER NOT NULL,
  FOREIGN KEY (name, version) REFERENCES versions);
CREATE INDEX reigns_by_name ON reigns (name, seq);
"""
"""`reigns` is the stack of Production versions of each model; a rollback takes the top off."""

STATE_TABLES = ("models", "versions", "tags", "aliases", "approvals", "reigns")

_HISTORY = """
CREATE TABLE events (
  seq INTEGER PRIMARY KEY, at TEXT NOT NULL, actor TEXT NOT NULL, action TEXT NOT NULL, name TEXT NOT NULL,
  version INTEGER, source TEXT, target TEXT, why TEXT NOT NULL, details TEXT NOT NULL, prev_hash TEXT NOT NULL,
  hash TEXT NOT NULL);
CREATE INDEX events_by_name ON events (name, seq);
CREATE TRIGGER events_stay BEFORE UPDATE ON events
BEGIN SELECT RAISE(ABORT, 'the history is never changed'); END;
CREATE TRIGGER events_are_kept BEFORE DELETE ON events
BEGIN SELECT RAISE(ABORT, 'the history is never shortened'); END;
CREATE TRIGGER events_follow BEFORE INSERT ON events
WHEN NEW.seq IS NOT (SELECT coalesce(max(seq), 0) + 1 FROM events)
BEGIN SELECT RAISE(ABORT, 'the history grows at its end'); END;
CREATE TABLE head (one INTEGER PRIMARY KEY CHECK (one = 1), events INTEGER NOT NULL, hash TEXT NOT NULL);
"""

SCHEMA = STATE + _HISTORY
