"""All that odd phones do, each on its own; a place for each kind of it is a module beside this one."""

import sys

import calls
import digests
import messages
import registrations
from stage import play

WHOLE_RUN_SECS = 200


def act(report, servers, _):
    for transport in ("UDP", "TCP", "TLS"):
        for module in (registrations, messages, digests, calls):
            for name, work in vars(module).items():
                if getattr(work, "is_check", False) and transport in work.transports:
                    report.check(f"{transport}: {name.replace('_', ' ')}", lambda work=work: work(servers.facts, transport))


sys.exit(play("odd-phones", WHOLE_RUN_SECS, act, "--digest", "SHA-256", "--digest", "MD5"))
