/* What libosip2 makes of each case. It cuts no streams: of one it is given all bytes, and shows the first message's body. */
#include <osipparser2/osip_message.h>
#include <osipparser2/osip_parser.h>
#include <osipparser2/osip_port.h>
#include <strings.h>

#include "cases.h"

/* Its first words about what it refuses. */
static char why[80];

static void keep_why(const char *file, int line, osip_trace_level_t level, const char *format, va_list values) {
  (void)file; (void)line; (void)level;
  if (why[0]) return;
  if (strncmp(format, "Could not set header", 20) == 0) snprintf(why, sizeof why, "%s", va_arg(values, const char *));
  else snprintf(why, sizeof why, "%.*s", (int)strcspn(format, "%\n:."), format);
}

static void refuse(const char *reason) {
  printf(" refused");
  put_word("why", why[0] ? why : reason);
}

static const char *tag(osip_from_t *from) {
  osip_generic_param_t *tag = NULL;
  return from && osip_from_get_tag(from, &tag) == 0 && tag ? tag->gvalue : "";
}

static int extensions(osip_message_t *message) {
  int count = 0;
  for (int at = 0; at < osip_list_size(&message->headers); at++) {
    osip_header_t *header = osip_list_get(&message->headers, at);
    if (header->hname && strncasecmp(header->hname, "x-", 2) == 0) count++;
  }
  return count;
}

static void put_message(osip_message_t *message) {
  char *call_id = NULL, *uri = NULL, status[16];
  osip_generic_param_t *branch = NULL;
  osip_via_t *via = osip_list_get(&message->vias, 0);
  osip_body_t *body = osip_list_get(&message->bodies, 0);
  if (MSG_IS_REQUEST(message)) {
    put_word("method", message->sip_method);
    osip_uri_to_str(message->req_uri, &uri);
    put_word("uri", uri);
  } else {
    snprintf(status, sizeof status, "%d", message->status_code);
    put_word("status", status);
  }
  osip_call_id_to_str(message->call_id, &call_id);
  put_word("call_id", call_id);
  put_word("cseq", message->cseq->number);
  put_word("cseq_method", message->cseq->method);
  put_word("from_tag", tag(message->from));
  put_word("to_tag", tag(message->to));
  osip_via_param_get_byname(via, (char *)"branch", &branch);
  put_word("branch", branch ? branch->gvalue : "");
  printf(" vias=%d routes=%d record_routes=%d contacts=%d extensions=%d", osip_list_size(&message->vias),
         osip_list_size(&message->routes), osip_list_size(&message->record_routes), osip_list_size(&message->contacts),
         extensions(message));
  put_word("length", message->content_length && message->content_length->value ? message->content_length->value : "-");
  /* Of several parts it shows the first alone, and of a body without a type nothing. */
  int is_one = message->content_type && message->content_type->type && strcasecmp(message->content_type->type, "multipart") != 0;
  if (is_one) put_body(body ? body->body : "", body ? body->length : 0);
}

static void read_one(char kind, char *bytes, size_t length) {
  osip_message_t *message = NULL;
  (void)kind;
  osip_message_init(&message);
  if (osip_message_parse(message, bytes, length) != 0) { refuse("no words"); return; }
  int is_whole = message->from && message->to && message->call_id && message->cseq && osip_list_size(&message->vias) > 0
                 && message->cseq->number && message->cseq->method;
  if (!is_whole) { refuse("it found no Via, From, To, Call-ID or CSeq"); return; }
  printf(" accepted");
  put_message(message);
}

int main(int count, char **arguments) {
  if (count != 2) { fprintf(stderr, "osip CASES\n"); return 2; }
  osip_trace_initialize_func(END_TRACE_LEVEL, keep_why);
  parser_init();
  return read_cases(arguments[1], read_one);
}
