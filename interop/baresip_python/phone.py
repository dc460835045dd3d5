"""A phone made of baresip-python, in a process of its own: takes commands from standard input, says what happens.

Commands: dial URI, hangup, quit. It says: registered, refused REASON, established, closed.
"""

import asyncio
import json
import logging
import sys

from baresip import Account, BaresipError, CallState, Config, Runtime, UserAgent

SETTINGS = """\
sip_listen 10.99.0.1:{port}
sip_cafile {ca}
sip_verify_server yes
dns_server {dns}
rtp_ports {rtp_first}-{rtp_last}
ausrc_srate 8000
auplay_srate 8000
"""


def say(words):
    print(words, flush=True)


class Phone:
    def __init__(self, runtime, agent):
        self.runtime, self.agent, self.call = runtime, agent, None
        self.watching = None
        agent.on_incoming(lambda call: asyncio.get_running_loop().create_task(self.answer(call)))

    async def register(self):
        try:
            await self.agent.register(timeout=8)
            say("registered")
        except (BaresipError, TimeoutError) as error:
            say(f"refused {error}")

    async def answer(self, call):
        await call.answer()
        await self.follow(call)

    async def dial(self, uri):
        await self.follow(await self.agent.dial(uri))

    async def follow(self, call):
        self.call = call
        await call.wait_established()
        say("established")
        self.watching = asyncio.create_task(self.watch(call))

    async def watch(self, call):
        while call.state is not CallState.CLOSED:
            await asyncio.sleep(0.02)
        say("closed")

    async def obey(self, line):
        verb, _, rest = line.partition(" ")
        if verb == "dial":
            await self.dial(rest)
        elif verb == "hangup":
            await self.call.hangup()


async def main(facts):
    settings = SETTINGS.format(rtp_first=facts["port"] + 1000, rtp_last=facts["port"] + 1009, **facts)
    config = Config(
        net_interface="phones", audio_source=f"aufile,{facts['home']}/tone.wav", native_log_level="info",
        audio_player=f"aufile,{facts['home']}/heard.wav", extra_config_text=settings,
    )  # fmt: skip
    runtime = Runtime()
    await runtime.start(config)
    account = Account(user=facts["user"], domain=facts["domain"], password=facts["password"], transport="tls",
                      registrar=facts["edge"] + ";transport=tls", extra_params=("mediaenc=srtp",))  # fmt: skip
    phone = Phone(runtime, await UserAgent.create(runtime, account))
    await phone.register()
    loop = asyncio.get_running_loop()
    while (line := (await loop.run_in_executor(None, sys.stdin.readline)).strip()) not in ("", "quit"):
        try:
            await phone.obey(line)
        except (BaresipError, TimeoutError) as error:
            say(f"failed {error}")
    await runtime.close()


logging.basicConfig(level=logging.INFO, stream=sys.stderr)
asyncio.run(main(json.loads(sys.argv[1])))
