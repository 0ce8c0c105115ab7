"""Judges the results of the conformance tests: conformance_judged.py JUNIT ALLOWED MODE.

Ends with failure when a test failed, when one was skipped that the list of allowed ones does not name for this mode, when one that it
names was not skipped, or when next to none ran.
"""

import sys
import xml.etree.ElementTree as tree

FEWEST = 500

junit, allowed, mode = sys.argv[1:]
may_skip = {}
with open(allowed, encoding="utf-8") as lines:
    for line in lines:
        if line.strip() and not line.startswith("#"):
            modes, name, reason = line.rstrip("\n").split("\t")
            if mode in modes.split(","):
                may_skip[name] = reason
cases = list(tree.parse(junit).iter("testcase"))
by_status = {}
for case in cases:
    by_status.setdefault(case.get("status"), []).append(case)
bad = False
for status in sorted(set(by_status) - {"passed", "skipped"}, key=str):
    for case in by_status[status]:
        bad = True
        print(f"{status}: {case.get('name')}\n    {case.findtext('system-out') or ''}")
skipped = {case.get("name") for case in by_status.get("skipped", [])}
for name in sorted(skipped - may_skip.keys()):
    bad = True
    print(f"skipped, and not on the list: {name}")
for name in sorted(may_skip.keys() - skipped):
    bad = True
    print(f"on the list, and not skipped: {name}")
passed = len(by_status.get("passed", []))
print(f"{passed} passed of {len(cases)}, {len(skipped)} skipped as allowed")
sys.exit(bad or passed < FEWEST)
