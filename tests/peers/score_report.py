"""The score's report."""

import collections
import re

from trees_compared import MAY_DIFFER, MAY_DIFFER_IN_ANY, SAME_BUT


def table(head, rows):
    lines = [f"| {' | '.join(head)} |", f"| {' | '.join('---' for _ in head)} |"]
    return "\n".join(lines + ["| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |" for row in rows])


def refused_by(results):
    """The packages that are not explained, by how many of the sample they block."""
    blocked = collections.Counter(name for result in results for name in result.get("by", {}))
    return blocked.most_common()


def report(results, drawn, named, arguments, date, command):
    """The report as Markdown, and whether all bars are reached."""
    total = len(results)
    of = collections.Counter(result["result"] for result in results)
    # Where dpkg itself fails, or no set of packages exists, there is no truth to compare with.
    compared = total - of["dpkg failed"] - of["no set"]

    def share(count):
        return f"{100 * count / compared:.1f} %" if compared else "–"

    equal, refused, differ, failed = (of[name] for name in ("equal", "refused", "differs", "failed"))
    must = [result for result in results if result["package"] in named]
    unequal = [result for result in must if result["result"] != "equal"]
    bars = [
        (equal + refused >= 0.95 * compared, "equal, or refused with the lines that are not explained", f"{equal + refused} ({share(equal + refused)})", "≥ 95 %"),
        (equal >= 0.85 * compared, "equal", f"{equal} ({share(equal)})", "≥ 85 %"),
        (differ == 0, "accepted, and differ", differ, "0"),
        (not unequal, f"of the {len(must)} in it that must all be equal, are not", len(unequal), "0"),
    ]
    reached = compared > 0 and all(good for good, *_ in bars)
    sample = f"{arguments.most} packages that most others depend on, {arguments.random} drawn with the seed {arguments.seed}"
    sample = "the list that must be equal" if arguments.named else "packages named by hand" if arguments.only else sample
    parts = [
        "# The score against dpkg",
        f"Written by `{command}` on {date}. Sample: {sample} (trixie, amd64, with security and updates). Each is built by Basalt with the Essential "
        "set and the whole package database, and installed by the real dpkg, in the same versions; the trees are compared path by path: "
        "type, mode, owner, link, extended attributes, content.",
        table(["", "packages", "bar", ""], [(name, count, bar, "reached" if good else "**not reached**") for good, name, count, bar in bars]),
        (f"Time was up after the first {total} of {drawn}, in the order that the seed gives. " if total < drawn else "")
        + f"{total} packages, {compared} of them with a truth to compare with; {refused} refused, {failed} failed to build for another reason; "
        f"of {of['dpkg failed']} dpkg's own installation failed, for {of['no set']} no set of packages exists. "
        f"{sum(result.get('paths', 0) for result in results):,} paths were compared.",
        "## What may differ",
        table(["paths", "why"], [(f"`{pattern}`", why) for pattern, why in MAY_DIFFER + MAY_DIFFER_IN_ANY]),
        "And of these contents, a part:",
        table(["paths", "what may differ"], [(f"`{pattern.pattern}`", why) for pattern, _, why in SAME_BUT]),
        "Documentation, manual and info pages and translations are left out by default, on both sides; set-id bits of files go unless a spec "
        "keeps them by name; no unit is enabled, so its aliases have no links either.",
        "`postgresql` makes a cluster when it is installed, with a system identifier drawn by chance. Both are told to make none: dpkg's by the "
        "administrator's setting for it, ours by the same file and by declaring that `postgresql-17` has no effects of its own.",
    ]
    if must:
        parts += ["## Those that must be equal", table(["package", "result"], [(r["package"], described(r)) for r in must])]
    by = refused_by(results)
    if by:
        parts += ["## Refused, by the package whose scripts are not explained", table(["package", "blocks"], by)]
    parts += ["## All", table(["package", "result", "packages", "paths"], [(r["package"], described(r), r.get("packages", ""), r.get("paths", "")) for r in results])]
    bad = [result for result in results if result["result"] in ("differs", "failed", "dpkg failed", "no set")]
    if bad:
        parts.append("## Differences and failures")
        for result in bad:
            detail = "\n".join(result.get("differences", [])[:30]) or result.get("why", "")
            parts.append(f"### {result['package']}\n\n```text\n{without_paths_of_this_machine(detail)}\n```")
    return "\n\n".join(parts) + "\n", reached


def described(result):
    if "by" not in result:
        return result["result"]
    lines = (
        f"{package} ({', '.join(script + ' ' + ', '.join(map(str, numbers[:3])) + (' …' if len(numbers) > 3 else '') for script, numbers in scripts.items())})"
        for package, scripts in result["by"].items()
    )
    return "refused: " + "; ".join(lines)


def without_paths_of_this_machine(text):
    return re.sub(r"/\S*/(?=score\.yaml|layout|work)", "", text)
