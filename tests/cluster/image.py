#!/usr/bin/env python3
"""image.py NAME ROOT ARCHIVE [COMMAND]: packs a root file system as an OCI archive of one layer."""
import hashlib
import io
import json
import os
import pathlib
import platform
import sys
import tarfile

MEDIA = "application/vnd.oci.image."
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


class Archive:
    def __init__(self, path):
        self.tar = tarfile.open(path, "w")

    def add(self, path, data):
        info = tarfile.TarInfo(path)
        info.size = len(data)
        self.tar.addfile(info, io.BytesIO(data))

    def blob(self, kind, data, **more):
        """Adds a blob and returns its descriptor."""
        digest = hashlib.sha256(data).hexdigest()
        self.add("blobs/sha256/" + digest, data)
        return {"mediaType": MEDIA + kind, "digest": "sha256:" + digest, "size": len(data), **more}


def encode(value):
    return json.dumps(value).encode()


def layer_of(root):
    if os.path.isfile(root):
        return pathlib.Path(root).read_bytes()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.add(root, arcname=".")
    return buffer.getvalue()


def pack(name, root, path, **config):
    """Writes the OCI archive `path` of one layer, the folder or tar `root`; `config` is what the
    image says of itself: Cmd, Entrypoint, User."""
    archive = Archive(path)
    layer = archive.blob("layer.v1.tar", layer_of(root))
    run = {"Env": ["PATH=/usr/local/bin:/usr/bin:/bin"], **config}
    config = archive.blob("config.v1+json", encode({
        "architecture": ARCHITECTURES[platform.machine()], "os": "linux", "config": run,
        "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]}}))
    manifest = archive.blob("manifest.v1+json", encode({
        "schemaVersion": 2, "mediaType": MEDIA + "manifest.v1+json",
        "config": config, "layers": [layer]}),
        annotations={"io.containerd.image.name": name})
    archive.add("index.json", encode({"schemaVersion": 2, "manifests": [manifest]}))
    archive.add("oci-layout", encode({"imageLayoutVersion": "1.0.0"}))
    archive.tar.close()


if __name__ == "__main__":
    pack(*sys.argv[1:4], **({"Cmd": sys.argv[4:]} if sys.argv[4:] else {}))
