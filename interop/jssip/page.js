// The phone of one page: what a web client would do with JsSIP. Everything answers when it is over.

window.phone = (() => {
  const sound = { mediaConstraints: { audio: true, video: false }, pcConfig: { iceServers: [] } };
  let ua;
  let session;

  const later = (ms, work) => new Promise((resolve) => setTimeout(() => resolve(work()), ms));

  function hear(peerconnection) {
    peerconnection.addEventListener('track', (event) => {
      document.getElementById('sound').srcObject = event.streams[0] ?? new MediaStream([event.track]);
    });
  }

  // Candidates of this machine come at once; JsSIP would wait for others.
  const soon = (event) => {
    clearTimeout(window.gathering);
    window.gathering = setTimeout(() => event.ready(), 200);
  };

  function connect({ url, uri, password }, page) {
    ua = new JsSIP.UA({
      sockets: [new JsSIP.WebSocketInterface(url)],
      uri,
      password,
      register_expires: 300,
      connection_recovery_min_interval: 1,
    });
    ua.on('newMessage', ({ originator, request }) => {
      if (originator === 'remote') {
        tell({ page, seen: 'message', from: request.from.uri.toString().replace('sip:', ''), text: request.body });
      }
    });
    ua.on('newRTCSession', ({ originator, session: made }) => {
      if (originator === 'remote') ring(made, page);
    });
    return new Promise((resolve) => {
      ua.on('registered', ({ response }) => resolve({ status: response.status_code, require: response.getHeader('Require') }));
      ua.on('registrationFailed', ({ response, cause }) => resolve({ status: response?.status_code, cause }));
      ua.on('disconnected', ({ code }) => resolve({ closed: code }));
      ua.start();
    });
  }

  function ring(made, page) {
    session = made;
    made.on('peerconnection', ({ peerconnection }) => hear(peerconnection));
    made.on('icecandidate', soon);
    made.on('confirmed', () => tell({ page, seen: 'confirmed' }));
    made.on('failed', ({ cause }) => tell({ page, seen: 'failed', cause }));
    made.on('ended', ({ originator }) => tell({ page, seen: 'ended', by: originator }));
    made.answer(sound);
  }

  const write = ({ to, text }) =>
    new Promise((resolve) => {
      const eventHandlers = {
        succeeded: ({ response }) => resolve({ status: response.status_code }),
        failed: ({ response, cause }) => resolve({ status: response?.status_code, cause }),
      };
      ua.sendMessage(`sip:${to}`, text, { eventHandlers });
    });

  const call = ({ to }, page) =>
    new Promise((resolve) => {
      const eventHandlers = {
        peerconnection: ({ peerconnection }) => hear(peerconnection),
        icecandidate: soon,
        confirmed: () => resolve({ status: 200 }),
        failed: ({ message, cause }) => resolve({ status: message?.status_code, cause }),
        ended: ({ originator }) => tell({ page, seen: 'ended', by: originator }),
      };
      session = ua.call(`sip:${to}`, { ...sound, eventHandlers });
    });

  // How loud the other one is, once something was heard.
  async function listen() {
    for (let attempt = 0; attempt < 50; attempt++) {
      const reports = [...(await session.connection.getStats()).values()];
      const inbound = reports.find((report) => report.type === 'inbound-rtp');
      if (inbound?.totalAudioEnergy > 0 && inbound.packetsReceived > 50) {
        return { packets: inbound.packetsReceived, energy: inbound.totalAudioEnergy };
      }
      await later(100, () => {});
    }
    return { packets: 0, energy: 0 };
  }

  const hang_up = () => session.terminate();

  const sign_out = () =>
    new Promise((resolve) => {
      ua.on('unregistered', ({ response }) => resolve({ status: response?.status_code }));
      ua.unregister({ all: false });
    });

  // The socket is closed under the phone's feet, as by a proxy; the phone comes back by itself.
  const lose_connection = () =>
    new Promise((resolve) => {
      ua.on('registered', ({ response }) => resolve({ status: response.status_code }));
      ua._transport.socket._ws.close();
    });

  return { connect, write, call, listen, hang_up, sign_out, lose_connection };
})();
