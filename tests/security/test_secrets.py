"""Files that are likely to hold secrets are not indexed unless the user's own settings let them in."""

from __future__ import annotations

import base64
import hashlib
import string
from pathlib import Path

import pytest

from conexus.config import Settings, merge_repository
from conexus.indexing import workspace_folder
from conexus.workspace import secret_files
from conexus.workspace.ignore import IgnoreRules
from conexus.workspace.scan import scan
from conexus.workspace.secret_files import MAY_HOLD_SECRETS, has_secret_name, holds_secrets
from tests.workspaces import OneClient, running, snapshot_of, stored_rows, until, write

SECRET_NAMES = [
    ".env",
    "deploy/.env.production",
    ".ENV.local",
    "prod.env",
    ".envrc",
    "id_rsa",
    "keys/id_ed25519",
    "server.pem",
    "Certificate.P12",
    "release.keystore",
    "app.jks",
    ".npmrc",
    ".pypirc",
    ".netrc",
    ".pgpass",
    ".htpasswd",
    ".git-credentials",
    "home/.aws/credentials",
    "home/.kube/config",
    "home/.docker/config.json",
    "home/.ssh/deploy_key",
    "kubeconfig",
    "infra/terraform.tfstate",
    "infra/terraform.tfstate.backup",
    "config/secrets.yml",
    "config/master.key",
    "credentials.json",
    "home/.ssh/keys/work",
    "home/.gnupg/private-keys-v1.d/ABC.key",
    "id_rsa.bak",
    "id_ed25519.old.orig",
    ".env~",
    ".npmrc copy",
    "home/.cargo/credentials.toml",
    "home/.config/gh/hosts.yml",
    "home/.m2/settings.xml",
    ".bash_history",
    ".psql_history",
    "rclone.conf",
    "client_secret.json",
    "infra/prod.tfvars",
    "infra/prod.auto.tfvars.json",
    ".vault_pass",
]
ORDINARY_NAMES = [
    ".env.example",
    ".env.sample",
    ".env.local.template",
    "example.env",
    "environment.py",
    ".environment",
    "src/credentials.py",
    "src/secrets.py",
    "other/config",
    "src/config.json",
    "credentials",
    "id_rsa.pub",
    "keys.py",
    "tokenizer.json",
    "ssh/config",
    "pem.go",
    "app.py.bak",
    ".env.example.old",
    "src/hosts.yml",
    "settings.xml",
    "docs/history",
]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def made_up(alphabet: str, length: int) -> str:
    return "".join(alphabet[(7 * each + length) % len(alphabet)] for each in range(length))


WORD, HEX, UPPER = string.ascii_letters + string.digits, "0123456789abcdef", string.ascii_uppercase + "234567"
#: Texts with a made-up secret each. They are put together here, so that no scanner of secrets finds one in this file.
BLOCK = base64.b64encode(hashlib.sha512().digest() * 2).decode()
SECRETS = {
    "pem": f"-----BEGIN RSA PRIVATE{' '}KEY-----\n{BLOCK}\n-----END RSA PRIVATE{' '}KEY-----\n",
    "json-pem": '{"private_key": "-----BEGIN PRIVATE' + f' KEY-----\\n{BLOCK}\\n-----END"}}',
    "aws": f"aws_access_key_id = AKIA{made_up(UPPER, 16)}\naws_secret_access_key = {made_up(WORD, 40)}\n",
    "github": f"token: ghp_{made_up(WORD, 36)}\n",
    "github-fine": f"token: github_pat_{made_up(WORD, 82)}\n",
    "gitlab": f"token: glpat-{made_up(WORD, 20)}\n",
    "slack": f"token: xoxb-{made_up(string.digits, 12)}-{made_up(WORD, 24)}\n",
    "stripe": f"key: sk_live_{made_up(WORD, 24)}\n",
    "openai": f"key: sk-proj-{made_up(WORD, 40)}T3Blbk{'FJ'}{made_up(WORD, 40)}\n",
    "anthropic": f"key: sk-ant-api03-{made_up(WORD, 93)}AA\n",
    "npm": f"//registry/:_authToken=npm_{made_up(WORD, 36)}\n",  # pragma: allowlist secret - made up
    "pypi": f"password = pypi-AgEIcHlwaS5vcmc{made_up(WORD, 80)}\n",
    "slack-app": f"token: xapp-1-{made_up(UPPER, 11)}-{made_up(string.digits, 13)}-{made_up(HEX, 64)}\n",
    "shopify": f"token: shpat_{made_up(HEX, 32)}\n",
    "docker": f"token: dckr_pat_{made_up(WORD, 27)}\n",
    "atlassian": f"token: ATATT3{made_up(WORD, 186)}\n",
    "google": f"client_secret: GOCSPX-{made_up(WORD, 28)}\n",
    "age": f"AGE-SECRET-KEY-1{made_up('QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L', 58)}\n",  # pragma: allowlist secret - made up
}
HARMLESS = {
    "public": f"-----BEGIN CERTIFICATE-----\n{BLOCK}\n-----END CERTIFICATE-----\n",
    "placeholder": "-----BEGIN PRIVATE" + " KEY-----\n...\n-----END PRIVATE" + " KEY-----\n",
    "documentation": f"aws_access_key_id = AKIA{'IOSFODNN7EXAMPLE'}\naws_secret_access_key = {made_up(WORD, 40)}\n",
    "name only": f"aws_access_key_id = AKIA{made_up(UPPER, 16)}\n",
    "short": "token: ghp_xxxx\nkey: sk_live_...\nnpm_config_cache: x\n",
    "digest": f"sha256: {made_up(HEX, 64)}\n",
}


def scanned(root: Path, settings: Settings) -> tuple[set[str], dict[str, int]]:
    rules = IgnoreRules(root, exclude=settings.exclude, index_secrets=settings.index_secrets)
    found = scan(root, rules, settings)
    return {entry.path for entry in found.entries}, found.skipped


def indexed(engine: OneClient) -> set[str]:
    return {file.path for view in snapshot_of(engine).views for file in view.segment.files if view.live.any()}


def texts(engine: OneClient) -> str:
    hits = [hit for query in ("quokka", "numbat", "animal password token") for hit in engine.search(query).hits]
    return "\n".join(hit.preview for hit in hits)


@pytest.mark.parametrize("path", SECRET_NAMES)
def test_a_name_of_a_secret_file_is_known(path: str) -> None:
    assert has_secret_name(path, path.rpartition("/")[2])


@pytest.mark.parametrize("path", ORDINARY_NAMES)
def test_an_ordinary_name_is_let_in(path: str) -> None:
    assert not has_secret_name(path, path.rpartition("/")[2])


@pytest.mark.parametrize("kind", SECRETS)
def test_a_settings_file_with_a_secret_is_known(kind: str) -> None:
    for path, language in {"a.yaml": "yaml", "b/settings.json": "json", "notes": "text", "server.key": "text"}.items():
        assert holds_secrets(path, language, f"# settings\n{SECRETS[kind]}more: text\n")


@pytest.mark.parametrize("kind", SECRETS)
def test_code_with_a_secret_is_kept(kind: str) -> None:
    for path, language in {"a.py": "python", "b.md": "markdown", "main.adb": "text", "run.sh": "bash"}.items():
        assert not holds_secrets(path, language, SECRETS[kind])


@pytest.mark.parametrize("kind", HARMLESS)
def test_what_only_resembles_a_secret_is_kept(kind: str) -> None:
    assert not holds_secrets("settings.yaml", "yaml", HARMLESS[kind])


@pytest.mark.parametrize("mark", [mark for mark, _ in secret_files._TOKENS])
def test_the_search_for_secrets_takes_linear_time(mark: str) -> None:
    """A million characters of beginnings of keys: with a pattern that takes quadratic time, this would not end."""
    begin = "-----BEGIN PRIVATE" + " KEY-----"
    for text in (mark, f"-----BEGIN{mark}-----", f"a{mark}_", f"{mark}a.", f"{begin} {'a' * 39 + ' ' * 7}" * 9):
        long = (text * (1_000_000 // len(text)))[:1_000_000]
        assert holds_secrets("a.json", "json", f"{long} {SECRETS['age']}")


def test_a_scan_counts_what_may_hold_secrets_and_no_rule_of_the_repository_lets_it_in(tmp_path: Path) -> None:
    write(tmp_path, {**dict.fromkeys(SECRET_NAMES, "x"), **dict.fromkeys(ORDINARY_NAMES, "x")})
    (tmp_path / ".conexusignore").write_text("!.env\n!*.pem\n")
    (tmp_path / ".gitignore").write_text("id_rsa\n")
    names, skipped = scanned(tmp_path, Settings(exclude=("!.env",)))
    assert names == {*ORDINARY_NAMES, ".conexusignore", ".gitignore"}
    # What the user ignores anyway is not counted.
    assert skipped == {MAY_HOLD_SECRETS: len(SECRET_NAMES) - 1}
    names, skipped = scanned(tmp_path, Settings(index_secrets=True))
    assert {*SECRET_NAMES} - names == {"id_rsa"}
    assert not skipped


def test_a_repository_cannot_let_its_secrets_in() -> None:
    merged, problems = merge_repository(Settings(), {"indexSecrets": True})
    assert not merged.index_secrets
    assert len(problems) == 1


def test_secrets_are_neither_searched_nor_stored(root: Path, data: Path) -> None:
    write(
        root, {".env": "PASSWORD=quokka\n", "settings.yaml": f"animal: quokka\n{SECRETS['github']}", "a.py": "x = 1\n"}
    )
    with running(root, data, stored=True) as engine:
        assert indexed(engine) == {"a.py"}
        assert "quokka" not in texts(engine)
        (folder,) = engine.status().folders
        assert folder.skipped == {MAY_HOLD_SECRETS: 2}
        # The same when a change is noticed.
        write(
            root,
            {".env.local": "PASSWORD=quokka\n", "more.yaml": SECRETS["gitlab"], "settings.yaml": "animal: wombat\n"},
        )
        engine.hint([root / name for name in (".env.local", "more.yaml", "settings.yaml")])
        until(engine, lambda: indexed(engine) == {"a.py", "settings.yaml"})
    assert all("quokka" not in str(row) for row in stored_rows(engine))


def test_an_open_document_with_secrets_is_not_indexed(root: Path, data: Path) -> None:
    write(root, {"a.py": "x = 1\n", ".env": "PASSWORD=quokka\n"})
    with running(root, data) as engine:
        engine.open_document(str(root / ".env"), "PASSWORD=quokka2\n", 1, "properties")
        engine.open_document(str(root.parent / "elsewhere" / "id_rsa"), "quokka3", 1, "plaintext")
        engine.open_document("untitled:.env", "PASSWORD=quokka4\n", 1, "plaintext")
        engine.open_document(str(root / "new.json"), f'{{"quokka": "{SECRETS["npm"].strip()}"}}', 1, "json")
        engine.open_document(str(root / "a.py"), f"quokka_token = '{SECRETS['npm'].strip()}'\n", 1, "python")
        until(engine, lambda: "quokka_token" in texts(engine))
        assert {Path(hit.document).name for hit in engine.search("quokka").hits} == {"a.py"}
        # The document is found once it holds no secret any more.
        engine.change_document(str(root / "new.json"), '{"quokka": "numbat"}', 2)
        until(engine, lambda: "numbat" in texts(engine))


def test_the_setting_lets_secrets_in_and_out_again(root: Path, data: Path) -> None:
    write(
        root, {".env": "PASSWORD=quokka\n", "settings.yaml": f"animal: quokka\n{SECRETS['github']}", "a.py": "x = 1\n"}
    )
    everything = {".env", "settings.yaml", "a.py"}
    with running(root, data, stored=True) as engine:
        engine.open_document("untitled:.env", "ANIMAL=numbat\n", 1, "plaintext")
        engine.configure(Settings(watcher="off", index_secrets=True))
        until(engine, lambda: indexed(engine) >= everything and "numbat" in texts(engine))
        engine.configure(Settings(watcher="off"))
        until(engine, lambda: indexed(engine) == {"a.py"} and "numbat" not in texts(engine))
    with running(root, data, stored=True, index_secrets=True) as engine:
        assert indexed(engine) == everything
    with running(root, data, stored=True) as engine:
        assert indexed(engine) == {"a.py"}
        assert engine.status().folders[0].skipped == {MAY_HOLD_SECRETS: 2}
    assert all("quokka" not in str(row) for row in stored_rows(engine))


def test_secrets_in_the_index_of_an_older_release_are_removed(
    root: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(
        root, {".env": "PASSWORD=quokka\n", "settings.yaml": f"animal: quokka\n{SECRETS['github']}", "a.py": "x = 1\n"}
    )
    with monkeypatch.context() as older:
        older.setattr(
            workspace_folder, "_version", lambda embedder, _: workspace_folder.analysis_version(embedder.fingerprint)
        )
        older.setattr("conexus.indexing.worker_tasks.holds_secrets", lambda *_: False)
        older.setattr("conexus.workspace.ignore.has_secret_name", lambda *_: False)
        with running(root, data, stored=True) as engine:
            assert indexed(engine) == {".env", "settings.yaml", "a.py"}
    with running(root, data, stored=True) as engine:
        assert indexed(engine) == {"a.py"}
        assert "quokka" not in texts(engine)
    assert all("quokka" not in str(row) for row in stored_rows(engine))
