//! The spec that `basalt init` writes.

/// A commented spec to begin with, for an image of this name.
pub fn starter(name: &str) -> String {
    format!(
        "# An image spec. All keys: docs/spec.md, or `basalt schema` for your editor.\n\
         name: {name}\n\
         summary: What {name} is, in a line\n\
         \n\
         # The first release is built unless --release names another.\n\
         distribution: debian\n\
         releases: [trixie]\n\
         architectures: [amd64, arm64]\n\
         \n\
         # With all they depend on, and nothing else: no Essential set, nothing recommended.\n\
         # Versions are pinned in the lock; bound them here only if you must: `libssl3t64 (>= 3.5)`.\n\
         packages:\n\
         \x20 - base-files\n\
         \x20 - libc6\n\
         \x20 - ca-certificates\n\
         \x20 - tzdata\n\
         \n\
         users:\n\
         \x20 - name: nonroot\n\
         \x20   uid: 65532\n\
         \x20   home: /home/nonroot\n\
         user: nonroot\n\
         \n\
         # Files of your own: content, a local source, a directory or a link.\n\
         files:\n\
         \x20 - path: /app\n\
         \x20   directory: true\n\
         \x20   user: nonroot\n\
         \x20   group: nonroot\n\
         working-directory: /app\n\
         # entrypoint: [/app/server]\n\
         \n\
         # What must hold, or the build fails and says who broke it.\n\
         assertions:\n\
         \x20 no-setuid: true\n\
         \x20 no-package-manager: true\n\
         \x20 non-root: true\n\
         \x20 min-size: 1 MB\n\
         \n\
         variants:\n\
         \x20 # basalt build --variant debug: the same with BusyBox in it.\n\
         \x20 debug:\n\
         \x20   packages: [busybox-static]\n"
    )
}
