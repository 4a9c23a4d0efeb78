"""Recognizes files that are likely to hold secrets, by their names and by a few patterns of keys and tokens.

docs/decisions/0017-secrets.md says where the names and patterns come from.
"""

from __future__ import annotations

import re

#: Why such a file is left out, in the words that users read.
MAY_HOLD_SECRETS = "may hold secrets"  # pragma: allowlist secret - a reason to be counted
#: Names what the rules here leave out. An index that was made by other rules is brought in line with these.
SECRETS_VERSION = 3

# fmt: off
_NAMES = frozenset({
    ".bash_history", ".boto", ".dockercfg", ".dockerconfigjson", ".env", ".envrc", ".git-credentials", ".htpasswd",
    ".my.cnf", ".mysql_history", ".netrc", ".node_repl_history", ".npmrc", ".pgpass", ".psql_history", ".pypirc",
    ".python_history", ".s3cfg", ".terraformrc", ".vault-token",
    ".vault_pass", ".zsh_history", "_netrc", "accesstokens.json",
    "application_default_credentials.json", "client_secret.json", "client_secrets.json", "credentials.json",
    "credentials.tfrc.json", "id_dsa", "id_ecdsa", "id_ecdsa_sk", "id_ed25519", "id_ed25519_sk", "id_rsa", "kubeconfig",
    "master.key", "rclone.conf", "secret.json", "secret.yaml", "secret.yml", "secrets.json", "secrets.toml",
    "secrets.yaml", "secrets.yml", "sftp-config.json",
})
_SUFFIXES = (
    ".env", ".jceks", ".jks", ".kdbx", ".keystore", ".kubeconfig", ".ovpn", ".p12", ".p8", ".pem", ".pfx", ".pkcs12",
    ".ppk", ".tfstate", ".tfstate.backup", ".tfvars", ".tfvars.json",
)
# fmt: on
#: Names that mean something only in a directory of a certain name.
_IN_DIRECTORY = frozenset(
    {
        ".aws/credentials",
        ".cargo/credentials",
        ".cargo/credentials.toml",
        ".docker/config.json",
        ".gem/credentials",
        ".kube/config",
        ".m2/settings.xml",
        "gcloud/access_tokens.db",
        "gcloud/credentials",
        "gcloud/credentials.db",
        "gh/hosts.yml",
    }
)  # fmt: skip
_ELSEWHERE = frozenset(each.rpartition("/")[2] for each in _IN_DIRECTORY)
#: Directories whose files are all left out, at any depth.
_DIRECTORIES = frozenset({".ssh", ".gnupg"})
#: Ends of the names of copies, which hold what the file of the name before them held.
_COPIES = ("~", ".bak", ".backup", ".copy", ".old", ".orig", ".save", ".swp", " copy")
#: Words in the name of an `.env` file that is there to be copied and filled in.
_EXAMPLE = frozenset({"default", "defaults", "dist", "example", "sample", "schema", "template", "tpl"})


def has_secret_name(path: str, name: str) -> bool:
    """Decides whether a file is likely to hold secrets, by its name and the name of its directory.

    ``path`` is written with ``/``: a path, or the identity of an open document. ``name`` is its last part.
    """
    name = name.lower()
    while name.endswith(_COPIES):
        name = name.removesuffix(next(each for each in _COPIES if name.endswith(each)))
    if name in _NAMES or name.endswith(_SUFFIXES):
        return not (name.endswith(".env") and _is_example(name))
    if name.startswith(".env."):
        return not _is_example(name)
    if ".ssh/" in path or ".gnupg/" in path or name in _ELSEWHERE:
        directories = path.lower().split("/")[:-1]
        return not _DIRECTORIES.isdisjoint(directories) or "/".join((*directories[-1:], name)) in _IN_DIRECTORY
    return False


def _is_example(name: str) -> bool:
    return not _EXAMPLE.isdisjoint(name.split("."))


#: Languages of settings and data. A file of code is not left out as a whole, because it has more than its secrets.
_DATA = frozenset({"csv", "ini", "json", "toml", "xml", "yaml"})
#: Ends of the names of other files that are text without a language, for example keys.
_TEXT_SUFFIXES = (".txt", ".text", ".log", ".key", ".crt", ".cer", ".cert", ".asc", ".config", ".cnf", ".bak", ".old")
#: A text that occurs in each key or token of a kind, which is quick to look for, and a pattern of the whole.
_TOKENS = tuple(
    (mark, re.compile(pattern))
    for mark, pattern in (
        (" PRIVATE KEY", r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY(?: BLOCK)?-----(?=[^-]{0,300}?[A-Za-z0-9+/=]{40})"),
        ("gh", r"(?<![A-Za-z0-9])gh[pousr]_[A-Za-z0-9]{36}(?![A-Za-z0-9])"),
        ("github_pat_", r"github_pat_\w{82}(?!\w)"),
        ("glpat-", r"(?<![A-Za-z0-9])glpat-[\w-]{20}"),
        ("xox", r"(?<![A-Za-z0-9])xox[abeprs]-\d{8,14}-[A-Za-z0-9-]{10,250}"),
        (
            "hooks.slack.com/services/T",
            r"hooks\.slack\.com/services/T[A-Z0-9]{8,12}/B[A-Z0-9]{8,12}/\w{20,30}",
        ),
        ("k_live_", r"(?<![A-Za-z0-9])[rs]k_live_[A-Za-z0-9]{20,250}"),
        ("T3BlbkFJ", r"(?<![A-Za-z0-9])sk-[\w-]{20,100}T3BlbkFJ[\w-]{20,100}"),
        ("sk-ant-", r"(?<![A-Za-z0-9])sk-ant-(?:api|admin|sid|oat)\d\d-[\w-]{80,120}"),
        ("npm_", r"(?<![A-Za-z0-9])npm_[A-Za-z0-9]{36}(?![A-Za-z0-9])"),
        ("pypi-AgE", r"pypi-AgE[\w-]{50,250}"),
        ("hf_", r"(?<![A-Za-z0-9_])hf_[A-Za-z]{34}(?![A-Za-z0-9])"),
        ("SG.", r"(?<![A-Za-z0-9])SG\.[\w-]{22}\.[\w-]{43}(?![\w-])"),
        ("dop_v1_", r"(?<![A-Za-z0-9])dop_v1_[a-f0-9]{64}"),
        ("hvs.", r"(?<![A-Za-z0-9])hvs\.[\w-]{90,250}"),
        ("xapp-", r"(?<![A-Za-z0-9])xapp-\d-[A-Z0-9]{8,14}-\d{8,14}-[a-f0-9]{60,70}"),
        ("shp", r"(?<![A-Za-z0-9])shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}(?![A-Za-z0-9])"),
        ("dckr_pat_", r"(?<![A-Za-z0-9])dckr_pat_[\w-]{27}(?![\w-])"),
        ("ATATT3", r"(?<![A-Za-z0-9])ATATT3[\w=-]{100,250}"),
        ("GOCSPX-", r"(?<![A-Za-z0-9])GOCSPX-[\w-]{28}(?![\w-])"),
        ("AGE-SECRET-KEY-1", r"AGE-SECRET-KEY-1[02-9AC-HJ-NP-Z]{58}"),
        # An access key alone is a name. It is a secret with its secret key, which has no mark of its own.
        ("KIA", r"(?<![A-Z0-9])AKIA(?![A-Z2-7]{9}EXAMPLE)[A-Z2-7]{16}(?![A-Z0-9])"),
        ("SIA", r"(?<![A-Z0-9])ASIA(?![A-Z2-7]{9}EXAMPLE)[A-Z2-7]{16}(?![A-Z0-9])"),
    )
)
#: Matches a part of each key or token, and decides for nearly all files. Each alternative begins with one character and
#: no class, because `re` then looks for the first characters alone: 6 ns for each character instead of 25.
_MAYBE = re.compile(
    r"-BEGIN |gh[pousr]_[A-Za-z0-9]{36}|_pat_\w{82}|glpat-[\w-]{20}|xox[abeprs]-|/services/T|k_live_|T3BlbkFJ|k-ant-"
    r"|xapp-\d|shp[acps][ast]_|dckr_p|ATATT3|GOCSPX-"
    r"|npm_[A-Za-z0-9]{36}|-AgE|hf_[A-Za-z]{34}|SG\.[\w-]{22}\.|_v1_|vs\.[\w-]{90}|AGE-S|KIA[A-Z2-7]{16}|SIA[A-Z2-7]{16}"
)
_AWS_SECRET = re.compile(r"(?<![A-Za-z0-9/+])[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=])")


def is_data(path: str, language: str) -> bool:
    """Decides whether a file has settings or data and no code, so that a secret in it concerns the whole file."""
    if language != "text":
        return language in _DATA
    name = path.rpartition("/")[2].lower()
    return name.endswith(_TEXT_SUFFIXES) or "." not in name[1:]


def holds_secrets(path: str, language: str, text: str) -> bool:
    """Decides whether a file of settings or data holds a private key or a token. The search takes linear time."""
    if not is_data(path, language):
        return False
    if not _MAYBE.search(text):
        return False
    for mark, pattern in _TOKENS:
        if mark in text and pattern.search(text):
            if mark in ("KIA", "SIA") and not _AWS_SECRET.search(text):
                continue
            return True
    return False
