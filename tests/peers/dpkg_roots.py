"""The truth: packages installed by the real dpkg, quickly. One root with the Essential set is made once; each further set of packages
is installed in an overlay on it, which goes when it has been read.

All mounts are in the mount namespace of the calling program, which must be its own (`own_namespace`), so that none outlives it.
"""

import ctypes
import os
import shutil
import subprocess
import sys
from pathlib import Path

from trees_compared import MAY_DIFFER, MAY_DIFFER_IN_ANY, Tree

EXCLUDED = ["doc", "man", "info", "locale", "gnome/help", "gtk-doc", "help", "omf", "apport", "bug", "doc-base", "linda", "lintian", "reportbug"]
# Leaves out what our default policy leaves out.
DPKG_OPTIONS = [f"path-exclude=/usr/share/{place}/*" for place in EXCLUDED] + [
    "path-include=/usr/share/doc/*/copyright",
    "path-include=/usr/share/locale/locale.alias",
]
# What a program that installs into a root must find there, as mmdebstrap mounts it.
DEVICES = ["null", "zero", "full", "random", "urandom", "tty"]


class Failed(Exception):
    """dpkg or apt could not do it."""


def own_namespace():
    """Leaves the mounts of the machine alone: whatever is mounted from here on goes with this process."""
    new_mounts, private, recursive = 0x20000, 1 << 18, 1 << 14
    library = ctypes.CDLL(None, use_errno=True)
    if library.unshare(new_mounts) or library.mount(b"none", b"/", None, private | recursive, None):
        sys.exit(f"the score needs a mount namespace, so root: {os.strerror(ctypes.get_errno())}")


def run(*command, **options):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", **options)
    if done.returncode:
        raise Failed(f"{' '.join(command[:4])} ended with {done.returncode}: {done.stdout.strip()[-1500:]}")
    return done.stdout


class Roots:
    """A folder with what all installations share: apt's lists, the root with the Essential set."""

    def __init__(self, folder, mirrors, release, architecture):
        self.folder, self.release, self.architecture = Path(folder), release, architecture
        main, security = mirrors
        keyring = "[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]"
        self.sources = [
            f"deb {keyring} {main} {release} main",
            f"deb {keyring} {main} {release}-updates main",
            f"deb {keyring} {security} {release}-security main",
        ]
        self.base = self.folder / "base"

    def lists(self):
        """Apt's lists, fetched once; the indexes of packages among them."""
        lists = self.folder / "lists"
        if not lists.exists():
            (self.folder / "lists.new" / "partial").mkdir(parents=True, exist_ok=True)
            (self.folder / "sources.list").write_text("\n".join(self.sources) + "\n")
            (self.folder / "status").write_text("")
            configuration = self.configuration(self.folder, self.folder / "lists.new", self.folder / "status")
            run("apt-get", "update", env=os.environ | {"APT_CONFIG": str(configuration)})
            (self.folder / "lists.new").rename(lists)
        return sorted(lists.glob("*_Packages"))

    def configuration(self, folder, lists, status, root=None):
        """An apt of our own, with nothing of the host's."""
        lines = [
            f'Dir::State::Lists "{lists}"; Dir::State::Status "{status}";',
            f'Dir::Etc::SourceList "{self.folder}/sources.list"; Dir::Etc::SourceParts "/dev/null"; Dir::Etc::Main "/dev/null";',
            'Dir::Etc::Parts "/dev/null"; Dir::Etc::PreferencesParts "/dev/null"; Dir::Etc::Preferences "/dev/null";',
            f'Dir::Cache "{folder}/apt-cache"; Dir::State "{folder}/apt-state"; Dir::Log "{folder}/apt-log";',
            f'APT::Architecture "{self.architecture}"; APT::Architectures {{"{self.architecture}";}};',
            'APT::Install-Recommends "false"; APT::Sandbox::User "root"; Debug::NoLocking "1"; APT::Color "false";',
            'Acquire::Languages "none"; Acquire::GzipIndexes "false"; Dpkg::Use-Pty "false";',
        ]
        if root:
            options = "".join(f'"--{option}";' for option in ("force-unsafe-io", "force-confdef", "force-confold", *DPKG_OPTIONS))
            lines += [f'DPkg::Chroot-Directory "{root}"; DPkg::Options {{{options}}};']
            lines += [f'Dir::Cache::Archives "{root}/var/cache/apt/archives";']
        for name in ("apt-cache", "apt-state", "apt-log"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        path = folder / "apt.conf"
        path.write_text("\n".join(lines) + "\n")
        return path

    def essential(self, packages, date):
        """The root with exactly these packages, made once."""
        if not self.base.exists():
            options = [f"--dpkgopt={option}" for option in DPKG_OPTIONS]
            names = ",".join(f"{package['name']}={package['version']}" for package in packages)
            new = self.folder / "base.new"
            shutil.rmtree(new, ignore_errors=True)
            run(
                "mmdebstrap", "--quiet", "--variant=essential", "--format=directory", f"--architectures={self.architecture}",
                f"--include={names}", *options, self.release, str(new), *self.sources, env=os.environ | {"SOURCE_DATE_EPOCH": str(date)},
            )
            # What mmdebstrap makes for apt, which is not in this root.
            for place in ("etc/apt/preferences.d", "etc/apt/sources.list.d", "var/lib/apt"):
                shutil.rmtree(new / place)
            new.rename(self.base)

    def installed(self, packages, date, blobs, work, said):
        """The tree that dpkg makes of exactly these packages, beside the Essential set and the files that are said to be there before."""
        work = Path(work)
        run("mount", "-t", "tmpfs", "-o", "size=75%,mode=755", "score", str(work))
        root = work / "root"
        try:
            for name in ("upper", "overlay", "root"):
                (work / name).mkdir()
            run("mount", "-t", "overlay", "overlay", "-o", f"lowerdir={self.base},upperdir={work}/upper,workdir={work}/overlay", str(root))
            for place, text in said.items():
                file = root / place.lstrip("/")
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text)
                os.utime(file, (date, date))
            return self.install(packages, date, blobs, work, root)
        finally:
            subprocess.run(["umount", "--recursive", "--lazy", str(work)], check=False)

    def install(self, packages, date, blobs, work, root):
        archives = root / "var/cache/apt/archives"
        (archives / "partial").mkdir(parents=True, exist_ok=True)
        here = work / "archives"
        here.mkdir()
        run("mount", "--bind", str(here), str(archives))
        (here / "partial").mkdir()
        for package in packages:
            version = package["version"].replace(":", "%3a")
            digest = package["sha256"].removeprefix("sha256:")
            shutil.copyfile(blobs / digest[:2] / digest, here / f"{package['name']}_{version}_{package['architecture']}.deb")
        run("mount", "-t", "tmpfs", "-o", "mode=755", "devices", str(root / "dev"))
        for name in DEVICES:
            (root / "dev" / name).touch()
            run("mount", "--bind", f"/dev/{name}", str(root / "dev" / name))
        for name, target in (("fd", "/proc/self/fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2"), ("ptmx", "pts/ptmx")):
            (root / "dev" / name).symlink_to(target)
        for name, what in (("pts", "devpts"), ("shm", "tmpfs")):
            (root / "dev" / name).mkdir()
            run("mount", "-t", what, what, str(root / "dev" / name))
        # No service starts, whichever way it is asked to.
        policy = root / "usr/sbin/policy-rc.d"
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
        silent = work / "start-stop-daemon"
        silent.write_text("#!/bin/sh\nexit 0\n")
        silent.chmod(0o755)
        run("mount", "--bind", str(silent), str(root / "usr/sbin/start-stop-daemon"))
        # A postinst that links a manual of its own place there ends in an error without them.
        manuals = [root / f"usr/share/man/man{section}" for section in range(1, 9)]
        for folder in manuals:
            folder.mkdir(parents=True, exist_ok=True)
        configuration = self.configuration(work, self.folder / "lists", root / "var/lib/dpkg/status", root)
        environment = {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive", "DEBCONF_NONINTERACTIVE_SEEN": "true",
            "SOURCE_DATE_EPOCH": str(date), "HOME": "/root", "APT_CONFIG": str(configuration),
        }
        # A namespace of processes, so that a daemon that did start ends; none of the network, so that none depends on it.
        isolated = ["unshare", "--pid", "--fork", "--kill-child", "--net", "--mount", f"--mount-proc={root}/proc"]
        names = [f"{package['name']}={package['version']}" for package in packages]
        if packages:
            try:
                run(*isolated, "apt-get", "install", "--yes", "--no-download", "--no-install-recommends", *names, env=environment, timeout=900)
            except subprocess.TimeoutExpired as late:
                raise Failed("apt-get has not ended after 15 minutes") from late
        # dpkg asks for it only when a shared library comes, not for the links that a compiler follows: the linker's cache of a root
        # that was filled in two steps lacks these, that of one filled at once has them.
        run("chroot", str(root), "/sbin/ldconfig")
        for folder in manuals:
            if not any(folder.iterdir()):
                folder.rmdir()
        policy.unlink()
        for place in ("usr/sbin/start-stop-daemon", "var/cache/apt/archives"):
            run("umount", str(root / place))
        have = set(run("dpkg-query", f"--admindir={root}/var/lib/dpkg", "--show", "--showformat=${Package}=${Version} ${db:Status-Status}\n").splitlines())
        missing = [p["name"] for p in packages if f"{p['name']}={p['version']} installed" not in have]
        extra = len(have) - len(packages) - self.count()
        if missing or extra:
            raise Failed(f"apt came to another set: {extra} more, without {', '.join(missing) or 'none'}")
        return Tree.of_directory(str(root), MAY_DIFFER + MAY_DIFFER_IN_ANY).found

    def count(self):
        return run("dpkg-query", f"--admindir={self.base}/var/lib/dpkg", "--show", "--showformat=x\n").count("x")
