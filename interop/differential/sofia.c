/* What sofia-sip makes of each case: a datagram whole, a stream as its TCP transport cuts it. */
#include <ctype.h>
#include <sofia-sip/msg_addr.h>
#include <sofia-sip/sip.h>
#include <sofia-sip/sip_header.h>
#include <sofia-sip/sip_parser.h>
#include <sofia-sip/sip_protos.h>
#include <sofia-sip/sip_status.h>
#include <sofia-sip/sip_util.h>
#include <sofia-sip/url.h>
#include <strings.h>

#include "cases.h"

static int vias(const sip_via_t *via) { int n = 0; for (; via; via = via->v_next) n++; return n; }
static int routes(const sip_route_t *route) { int n = 0; for (; route; route = route->r_next) n++; return n; }
static int contacts(const sip_contact_t *contact) { int n = 0; for (; contact; contact = contact->m_next) n++; return n; }

static int extensions(const sip_t *sip) {
  int n = 0;
  for (const sip_unknown_t *header = sip->sip_unknown; header; header = header->un_next) {
    if (header->un_name && strncasecmp(header->un_name, "x-", 2) == 0) n++;
  }
  return n;
}

/* Of the first header that it could not read, as it stands in the message. */
static void put_why(const sip_t *sip) {
  char name[40] = "the whole";
  const msg_common_t *error = sip && sip->sip_error ? (const msg_common_t *)sip->sip_error : NULL;
  if (error && error->h_data) {
    size_t length = 0;
    const char *text = error->h_data;
    while (length < sizeof name - 1 && length < error->h_len && (text[length] == '-' || isalpha((unsigned char)text[length]))) length++;
    snprintf(name, sizeof name, "%.*s", (int)length, text);
  } else if (error) {
    snprintf(name, sizeof name, "a header");
  }
  put_word("why", name);
}

static int is_accepted(const msg_t *msg, const sip_t *sip) {
  return sip && !(sip->sip_flags & MSG_FLG_ERROR) && !sip->sip_error && !msg_extract_errors(msg) && sip_sanity_check(sip) == 0;
}

static void put_message(const sip_t *sip) {
  char text[16];
  if (sip->sip_request) {
    put_word("method", sip->sip_request->rq_method_name);
    put_word("uri", url_as_string(NULL, sip->sip_request->rq_url));
  } else {
    snprintf(text, sizeof text, "%d", sip->sip_status->st_status);
    put_word("status", text);
  }
  put_word("call_id", sip->sip_call_id->i_id);
  snprintf(text, sizeof text, "%u", sip->sip_cseq->cs_seq);
  put_word("cseq", text);
  put_word("cseq_method", sip->sip_cseq->cs_method_name);
  put_word("from_tag", sip->sip_from->a_tag);
  put_word("to_tag", sip->sip_to->a_tag);
  put_word("branch", sip->sip_via->v_branch);
  printf(" vias=%d routes=%d record_routes=%d contacts=%d extensions=%d", vias(sip->sip_via), routes(sip->sip_route),
         routes((const sip_route_t *)sip->sip_record_route), contacts(sip->sip_contact), extensions(sip));
  put_body(sip->sip_payload ? sip->sip_payload->pl_data : "", sip->sip_payload ? sip->sip_payload->pl_len : 0);
}

static void read_datagram(char *bytes, size_t length) {
  msg_t *msg = msg_make(sip_default_mclass(), MSG_FLG_EXTRACT_COPY, bytes, (ssize_t)length);
  const sip_t *sip = msg ? sip_object(msg) : NULL;
  if (!is_accepted(msg, sip)) {
    put_why(sip);
    return;
  }
  printf(" accepted");
  put_message(sip);
}

/* Where each message ends, until one is refused or the rest is none. */
static void read_stream(char *bytes, size_t length) {
  msg_iovec_t pieces[8];
  msg_t *msg = msg_create(sip_default_mclass(), 0);
  size_t given = 0, end = 0;
  printf(" ends=");
  ssize_t room = msg_recv_iovec(msg, pieces, 8, length, 0);
  for (ssize_t at = 0; at < room && given < length; at++) {
    size_t part = pieces[at].mv_len < length - given ? pieces[at].mv_len : length - given;
    memcpy(pieces[at].mv_base, bytes + given, part);
    given += part;
  }
  msg_recv_commit(msg, given, 0);
  while (msg) {
    int got = msg_extract(msg);
    const sip_t *sip = sip_object(msg);
    if (got < 0) { printf("refused"); return; }
    if (got == 0) return;
    end += msg_size(msg);
    if (!is_accepted(msg, sip)) { printf("%zu!,", end); return; }
    printf("%zu,", end);
    msg = msg_next(msg);
  }
}

static void read_one(char kind, char *bytes, size_t length) {
  if (kind == 's') read_stream(bytes, length);
  else read_datagram(bytes, length);
}

int main(int argument_count, char **arguments) {
  if (argument_count != 2) { fprintf(stderr, "sofia CASES\n"); return 2; }
  return read_cases(arguments[1], read_one);
}
