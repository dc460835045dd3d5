"""A phone made of pjsua2, in a process of its own: takes commands from standard input, says what happens, a line for each.

A call has a number, in the order of their beginning; commands about calls begin with it. What rings is answered with the status of
the last `answer-with`, at first 200.
"""

import json
import os
import select
import sys

import pjsua2 as pj

TRANSPORTS = {"udp": pj.PJSIP_TRANSPORT_UDP, "tcp": pj.PJSIP_TRANSPORT_TCP, "tls": pj.PJSIP_TRANSPORT_TLS}
MEDIA = {pj.PJSUA_CALL_MEDIA_ACTIVE: "active", pj.PJSUA_CALL_MEDIA_LOCAL_HOLD: "holds", pj.PJSUA_CALL_MEDIA_REMOTE_HOLD: "held"}
# What is sent and heard on a machine that has no other address but loopback's besides.
ADDRESS = "10.99.0.1"


def say(*words):
    # PJSIP's threads speak too: a line in one piece.
    os.write(1, f"{' '.join(map(str, words))}\n".encode())


def answer(code):
    parameter = pj.CallOpParam(True)
    parameter.statusCode = code
    return parameter


class Call(pj.Call):
    def __init__(self, phone, *which):
        super().__init__(phone.account, *which)
        self.phone, self.number = phone, len(phone.calls)
        phone.calls.append(self)

    def onCallState(self, _):
        info = self.getInfo()
        say("call", self.number, info.stateText.lower(), info.lastStatusCode)

    def onCallMediaState(self, _):
        info = self.getInfo()  # what is in it lives as long as it does
        for media in info.media:
            if media.type == pj.PJMEDIA_TYPE_AUDIO:
                if media.status == pj.PJSUA_CALL_MEDIA_ACTIVE:
                    sound = self.getAudioMedia(media.index)
                    self.phone.tone.startTransmit(sound)
                    sound.startTransmit(self.phone.recorder)
                say("sound", self.number, MEDIA.get(media.status, "none"))

    def onCallTransferRequest(self, request):
        request.newCall = Call(self.phone)
        say("transfer", self.number, request.dstUri)

    def onCallTransferStatus(self, status):
        status.cont = True
        say("transferred", self.number, status.statusCode)

    def onCallReplaced(self, replaced):
        call = Call(self.phone, replaced.newCallId)
        say("replaced", self.number, call.number)

    def onDtmfDigit(self, digit):
        say("digit", self.number, digit.digit)


class Account(pj.Account):
    def __init__(self, phone):
        super().__init__()
        self.phone = phone

    def onRegState(self, state):
        words = ("registered" if state.expiration else "unregistered") if state.code // 100 == 2 else "refused"
        say(words, state.code)

    def onIncomingCall(self, incoming):
        call = Call(self.phone, incoming.callId)
        say("rings", call.number, call.getInfo().remoteUri)
        status = self.phone.answer_with
        self.phone.later.append(lambda: call.answer(answer(status)))

    def onInstantMessage(self, message):
        say("message", message.fromUri.strip("<>"), message.msgBody)

    def onInstantMessageStatus(self, status):
        say("sent", status.code)

    def onMwiInfo(self, info):
        say("waiting", info.state)


class Buddy(pj.Buddy):
    def onBuddyState(self):
        info = self.getInfo()
        say("sees", info.uri, "online" if info.presStatus.status == pj.PJSUA_BUDDY_STATUS_ONLINE else "offline",
            info.presStatus.statusText)  # fmt: skip


class Phone:
    def __init__(self, facts):
        self.facts, self.answer_with = facts, 200
        self.calls, self.later, self.buddies = [], [], {}
        self.endpoint = pj.Endpoint()
        self.start()
        self.sign_in()

    def start(self):
        config, home = pj.EpConfig(), self.facts["home"]
        config.uaConfig.threadCnt, config.uaConfig.mainThreadOnly = 0, True
        config.uaConfig.nameserver.append(self.facts["dns"])
        config.logConfig.filename, config.logConfig.level, config.logConfig.consoleLevel = f"{home}/log", 5, 0
        self.endpoint.libCreate()
        self.endpoint.libInit(config)
        transport = pj.TransportConfig()
        transport.boundAddress = ADDRESS
        transport.tlsConfig.CaListFile, transport.tlsConfig.verifyServer = self.facts["ca"], True
        self.endpoint.transportCreate(TRANSPORTS[self.facts["transport"]], transport)
        self.endpoint.libStart()
        self.endpoint.audDevManager().setNullDev()
        self.tone, self.recorder = pj.AudioMediaPlayer(), pj.AudioMediaRecorder()
        self.tone.createPlayer(f"{home}/tone.wav")
        self.recorder.createRecorder(f"{home}/heard.wav")

    def sign_in(self):
        facts, config = self.facts, pj.AccountConfig()
        server = f"<sip:{facts['edge']};transport={facts['transport']}"
        config.idUri = f"sip:{facts['aor']}"
        config.regConfig.registrarUri = server + ">"
        config.sipConfig.proxies.append(server + ";lr>")
        user = facts["aor"].split("@")[0]
        config.sipConfig.authCreds.append(pj.AuthCredInfo("digest", "*", user, 0, facts["password"]))
        # Otherwise all phones of a machine are one.
        config.natConfig.sipOutboundInstanceId = f"<urn:uuid:{facts['instance']}>"
        config.mediaConfig.transportConfig.boundAddress = ADDRESS
        config.mediaConfig.srtpUse, config.mediaConfig.srtpSecureSignaling = pj.PJMEDIA_SRTP_OPTIONAL, 0
        if facts["strict"]:
            config.mediaConfig.srtpUse = pj.PJMEDIA_SRTP_MANDATORY
            config.callConfig.prackUse = pj.PJSUA_100REL_MANDATORY
            config.callConfig.timerUse = pj.PJSUA_SIP_TIMER_ALWAYS
        config.presConfig.publishEnabled = config.mwiConfig.enabled = True
        config.regConfig.unregWaitMsec = 2000
        self.account = Account(self)
        self.account.create(config)

    def obey(self, verb, *words):
        if verb in ("answer", "hangup", "hold", "resume", "transfer", "join", "press"):
            self.steer(self.calls[int(words[0])], verb, *words[1:])
        elif verb == "call":
            call = Call(self)
            call.makeCall(words[0], pj.CallOpParam(True))
            say("calls", call.number)
        elif verb == "answer-with":
            self.answer_with = int(words[0])
            say("ready")
        elif verb == "message":
            message = pj.SendInstantMessageParam()
            message.content = " ".join(words[1:])
            self.buddy(words[0]).sendInstantMessage(message)
        elif verb == "watch":
            self.buddy(words[0]).subscribePresence(True)
        elif verb == "note":
            status = pj.PresenceStatus()
            status.status, status.note = pj.PJSUA_BUDDY_STATUS_ONLINE, words[0]
            self.account.setOnlineStatus(status)
        elif verb == "unregister":
            self.account.setRegistration(False)

    def steer(self, call, verb, *words):
        offer = pj.CallOpParam(True)
        if verb == "answer":
            call.answer(answer(int(words[0])))
        elif verb == "hangup":
            call.hangup(pj.CallOpParam())
        elif verb == "hold":
            call.setHold(offer)
        elif verb == "resume":
            offer.opt.flag = pj.PJSUA_CALL_UNHOLD
            call.reinvite(offer)
        elif verb == "transfer":
            call.xfer(words[0], offer)
        elif verb == "join":
            call.xferReplaces(self.calls[int(words[0])], offer)
        elif verb == "press":
            digits, by_info = pj.CallSendDtmfParam(), words[1] == "INFO"
            digits.digits = words[0]
            digits.method = pj.PJSUA_DTMF_METHOD_SIP_INFO if by_info else pj.PJSUA_DTMF_METHOD_RFC2833
            call.sendDtmf(digits)

    def buddy(self, uri):
        if uri not in self.buddies:
            config = pj.BuddyConfig()
            config.uri = uri
            self.buddies[uri] = Buddy()
            self.buddies[uri].create(self.account, config)
        return self.buddies[uri]

    def run(self):
        unread = b""
        while True:
            self.endpoint.libHandleEvents(10)
            while self.later:
                self.later.pop(0)()
            if not select.select([0], [], [], 0)[0]:
                continue
            read = os.read(0, 4096)
            *lines, unread = (unread + read).split(b"\n")
            for line in lines:
                try:
                    self.obey(*line.decode().split())
                except (pj.Error, LookupError) as error:
                    say("failed", line.decode(), error.info() if isinstance(error, pj.Error) else error)
            if not read:
                return

    def end(self):
        self.endpoint.hangupAllCalls()
        self.calls.clear()
        self.buddies.clear()
        self.endpoint.libDestroy()


phone = Phone(json.loads(sys.argv[1]))
phone.run()
phone.end()
os._exit(0)  # what Python would still collect is gone already
