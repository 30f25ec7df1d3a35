"""A Hugging Face hub on this machine: what huggingface_hub 2.4 calls to list, fetch and upload.

Repositories are dictionaries of files by commit; a branch is a name of one of them.
"""

import base64
import contextlib
import dataclasses
import hashlib
import http.server
import json
import re
import threading
import urllib.parse

ROUTE = re.compile(r"/api/(models|datasets)/([^/]+/[^/]+)/(\w+)/([^/]+)/?")
FILE = re.compile(r"/(datasets/)?([^/]+/[^/]+)/resolve/([^/]+)/(.+)")


@dataclasses.dataclass
class Repo:
    """Files by commit, the commit of each branch, and who may read them."""

    commits: dict[str, dict[str, bytes]] = dataclasses.field(default_factory=dict)
    branches: dict[str, str] = dataclasses.field(default_factory=dict)
    fails: int = 0  # the status of every answer
    gated: bool = False
    private: bool = False

    def commit(self, files, branch="main"):
        """Returns the commit that adds these files to a branch."""
        whole = self.commits.get(self.branches.get(branch), {}) | files
        said = repr((self.branches.get(branch), sorted(whole.items())))
        name = hashlib.sha1(said.encode()).hexdigest()
        self.commits[name], self.branches[branch] = whole, name
        return name


class Hub(http.server.ThreadingHTTPServer):
    """The hub: `repos` by (kind, name), and the (method, path) of every request."""

    daemon_threads = True
    TOKEN = "hf_good"

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.repos, self.asked, self.blobs = {}, [], {}

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def repo(self, name, kind="models"):
        return self.repos.setdefault((kind, name), Repo())


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_GET(self):
        self._answer()

    do_HEAD = do_POST = do_PUT = do_GET

    def _answer(self):
        path = urllib.parse.urlsplit(self.path).path
        self.server.asked.append((self.command, urllib.parse.unquote(path)))
        self.body = self._read()
        if found := FILE.fullmatch(path):
            kind = "datasets" if found[1] else "models"
            return self._file(kind, *map(urllib.parse.unquote, found.groups()[1:]))
        if found := ROUTE.fullmatch(path):
            kind, name, verb, revision = map(urllib.parse.unquote, found.groups())
            return self._api(kind, name, verb, revision)
        if found := re.fullmatch(r"/api/(models|datasets)/([^/]+/[^/]+)", path):
            return self._api(found[1], found[2], "revision", "main")
        if path == "/api/repos/create":
            return self._create()
        if path == "/api/validate-yaml":
            return self._json({"errors": [], "warnings": []})
        if path.endswith(".git/info/lfs/objects/batch"):
            return self._lfs_batch()
        if path.startswith("/blob/"):
            digest = hashlib.sha256(self.body).hexdigest()
            assert digest == path.removeprefix("/blob/")
            self.server.blobs[digest] = self.body
            return self._send(200)
        return self._error(404, "EntryNotFound")

    def _read(self):
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    @property
    def _known(self):
        return self.headers.get("Authorization") == f"Bearer {Hub.TOKEN}"

    def _find(self, kind, name, revision):
        """Returns (repository, commit), or None after an error was sent."""
        repo = self.server.repos.get((kind, name))
        if repo and repo.fails:
            return self._error(repo.fails, "")
        if repo is None or (repo.private and not self._known):
            return self._error(404 if self._known else 401, "RepoNotFound")
        commit = repo.branches.get(revision, revision)
        if commit not in repo.commits and repo.commits:
            return self._error(404, "RevisionNotFound")
        return repo, commit

    def _api(self, kind, name, verb, revision):
        if not (found := self._find(kind, name, revision)):
            return None
        repo, commit = found
        if verb == "revision":
            files = [{"rfilename": name} for name in repo.commits.get(commit, ())]
            told = {"sha": commit, "private": repo.private, "siblings": files}
            return self._json({"id": name, **told})
        if verb == "tree":
            return self._json([tree_entry(*item) for item in repo.commits.get(commit, {}).items()])
        if not self._known:
            return self._error(403, "Forbidden")
        if verb == "preupload":
            files = [
                {
                    "path": file["path"],
                    "uploadMode": "lfs" if is_large(file["path"]) else "regular",
                    "shouldIgnore": False,
                }
                for file in json.loads(self.body)["files"]
            ]
            return self._json({"files": files})
        return self._commit(repo, name)

    def _commit(self, repo, name):
        files = {}
        for line in self.body.splitlines():
            told = json.loads(line)
            value = told["value"]
            if told["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif told["key"] == "lfsFile":
                files[value["path"]] = self.server.blobs[value["oid"]]
        commit = repo.commit(files)
        return self._json(
            {"commitUrl": f"{self.server.url}/{name}/commit/{commit}", "commitOid": commit}
        )

    def _create(self):
        if not self._known:
            return self._error(401, "Unauthorized")
        told = json.loads(self.body)
        name = f"{told['organization']}/{told['name']}"
        url = json.dumps({"url": f"{self.server.url}/{name}"}).encode()
        if ("models", name) in self.server.repos:
            return self._send(409, url, {"X-Error-Message": "You already created this repo"})
        repo = self.server.repo(name)
        repo.private = told.get("visibility") == "private" or told.get("private", False)
        repo.commit({".gitattributes": b""})
        return self._send(200, url)

    def _lfs_batch(self):
        objects = [
            {**one, "actions": {"upload": {"href": f"{self.server.url}/blob/{one['oid']}"}}}
            for one in json.loads(self.body)["objects"]
        ]
        return self._json({"objects": objects, "transfer": "basic"})

    def _file(self, kind, name, revision, path):
        if not (found := self._find(kind, name, revision)):
            return None
        repo, commit = found
        if repo.gated and not self._known:
            return self._error(401, "GatedRepo")
        content = repo.commits[commit].get(path)
        if content is None:
            return self._error(404, "EntryNotFound")
        headers = {"X-Repo-Commit": commit, "ETag": f'"{etag(path, content)}"'}
        if is_large(path):
            headers |= {"X-Linked-Size": str(len(content)), "X-Linked-Etag": headers["ETag"]}
        first = re.fullmatch(r"bytes=(\d+)-\d*", self.headers.get("Range") or "")
        start = int(first[1]) if first else 0
        if first:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        return self._send(206 if first else 200, content[start:], headers)

    def _json(self, told):
        return self._send(200, json.dumps(told).encode(), {"Content-Type": "application/json"})

    def _error(self, status, code):
        return self._send(status, b"{}", {"X-Error-Code": code, "X-Error-Message": code})

    def _send(self, status, content=b"", headers=None):
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


def is_large(path):
    """Returns whether a file lies outside of git."""
    return path.endswith((".safetensors", ".parquet"))


def etag(path, content):
    """Returns what a file is known by: its sha256 outside of git, else git's own."""
    if is_large(path):
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()


def tree_entry(path, content):
    """Returns what a listing says of a file."""
    entry = {"type": "file", "path": path, "size": len(content), "oid": etag(path, content)}
    if is_large(path):
        large = {"oid": etag(path, content), "size": len(content), "pointerSize": 130}
        entry |= {"oid": "0" * 40, "lfs": large}
    return entry


@contextlib.contextmanager
def running_hub():
    """Yields a hub that answers."""
    hub = Hub()
    thread = threading.Thread(target=hub.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield hub
    finally:
        hub.shutdown()
        hub.server_close()
        thread.join()


def files_below(folder):
    """Returns {name: content} of a folder, as a repository has them."""
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
