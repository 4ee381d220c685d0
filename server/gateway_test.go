package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

func TestAWrongMethodIsToldTheRightOnes(t *testing.T) {
	t.Parallel()
	h := open(t, options{})
	for path, allow := range map[string]string{
		"/v1/leads":                     "POST, GET, HEAD",
		"/v1/deliveries":                "GET, HEAD",
		"/v1/deliveries:watch":          "GET",
		"/v1/deliveries:retry":          "POST",
		"/v1/deliveries/x.crm:retry":    "POST",
		"/v1/destinations/crm:pause":    "POST",
		"/v1/forms/contact/submissions": "POST, OPTIONS",
		"/healthz":                      "GET, HEAD",
	} {
		a := h.send(http.MethodPut, path, "", "").expect(t, 405)
		if got := a.header.Get("Allow"); got != allow {
			t.Errorf("%s: Allow %q, want %q", path, got, allow)
		}
	}
	h.send(http.MethodGet, "/v1/nothing", "", "").expect(t, 404)
	h.post("/leadgate.v1.LeadService/SubmitLead", "application/grpc", "").expect(t, 404, "gRPC over HTTP/2") // as through a proxy
	h.send(http.MethodGet, "/nothing", "", "").expect(t, 404)
}

func (h *house) head(path string) *http.Response {
	h.t.Helper()
	head, err := h.client.Head(h.url(path))
	if err != nil {
		h.t.Fatal(err)
	}
	_ = head.Body.Close()
	return head
}

func TestHEADTellsWhatGETWould(t *testing.T) {
	t.Parallel()
	h := open(t, options{})
	lead := "/v1/leads/" + h.post("/v1/leads", asJSON, ada).expect(t, 201).body["leadId"].(string)
	for _, path := range []string{lead, "/v1/leads?page_size=1", "/v1/leads?nonsense=1", "/v1/leads/01a21b6d-27f0-7d05-975a-691a3255d304", "/healthz"} {
		get := h.send(http.MethodGet, path, "", "")
		head := h.head(path)
		if head.StatusCode != get.status || head.Header.Get("Content-Type") != get.header.Get("Content-Type") {
			t.Errorf("%s: HEAD is answered with %s, %v, GET with %d", path, head.Status, head.Header, get.status)
		}
	}
	for _, path := range []string{"/v1/deliveries:watch", "/v1/leads:export", "/v1/deliveries:retry", "/v1/forms/contact/submissions"} {
		if head := h.head(path); head.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("%s: %s", path, head.Status)
		}
	}
}

func TestAFormPostNeverReachesAGET(t *testing.T) {
	t.Parallel()
	h := open(t, options{})
	h.post("/v1/deliveries", asForm, "page_size=1").expect(t, 405)
	h.post("/v1/deliveries", asForm, "", "X-HTTP-Method-Override", "GET").expect(t, 405)
	h.post("/v1/deliveries", asJSON, "{}", "X-HTTP-Method-Override", "GET").expect(t, 405)
}

func TestAMisspeltFilterDoesNotMatchEverything(t *testing.T) {
	t.Parallel()
	h := open(t, options{})
	h.send(http.MethodGet, "/v1/deliveries?sate=DEAD", "", "").expect(t, 400, "sate", "state")
	h.send(http.MethodGet, "/v1/deliveries?state=dying", "", "").expect(t, 400)
	for _, state := range []string{"dead", "DEAD", "DELIVERY_STATE_DEAD", "5"} {
		h.send(http.MethodGet, "/v1/deliveries?state="+state, "", "").expect(t, 200)
	}
	h.send(http.MethodGet, "/v1/leads?email=ada@example.com", "", "").expect(t, 400, "POST /v1/leads:search")
	if a := h.send(http.MethodGet, "/v1/leads?mail=ada@example.com", "", "").expect(t, 400, "there are: form, "); strings.Contains(a.text, "email") {
		t.Errorf("an address is offered as a query parameter: %s", a.text)
	}
	h.post("/v1/leads:search", asJSON, `{"email":"ada@example.com"}`).expect(t, 200)
	h.post("/v1/leads:export", asJSON, `{"email":"ada@example.com"}`).expect(t, 200)
	h.post("/v1/leads:export", asJSON, `{"emial":"ada@example.com"}`).expect(t, 400, "BODY_MALFORMED", "emial")
	h.post("/v1/leads:export", asJSON, `{"since":"yesterday"}`).expect(t, 400, "BODY_MALFORMED")
	h.send(http.MethodGet, "/v1/deliveries?page_size=1&pageToken=rubbish", "", "").expect(t, 400, "PAGE_TOKEN_INVALID")
}

func TestMetadataCannotBePlanted(t *testing.T) {
	t.Parallel()
	h := open(t, options{})
	// A caller that was forwarded is not local, whichever header says so.
	for _, header := range []string{"X-Forwarded-For", "Forwarded", "X-Real-Ip", "Via"} {
		h.send(http.MethodGet, "/v1/leads", "", "", header, "127.0.0.1").expect(t, 403)
	}
	// Headers that a gateway would make metadata of are dropped, and a client's deadline does not become the RPC's.
	h.send(http.MethodGet, "/v1/leads", "", "", "Grpc-Timeout", "1n", "Grpc-Metadata-Authorization", "Bearer x", "Grpc-Metadata-X-Forwarded-For", "1.2.3.4").expect(t, 200)
	a := h.post("/v1/leads", asJSON, ada).expect(t, 201)
	for name := range a.header {
		if strings.HasPrefix(name, "Grpc-") || strings.HasPrefix(name, "Trailer") {
			t.Errorf("the answer shows header %s", name)
		}
	}
}

func TestAcceptIsUnderstoodAsBrowsersSendIt(t *testing.T) {
	t.Parallel()
	h := open(t, options{})
	for _, accept := range []string{"application/json, text/plain, */*", "text/html,*/*;q=0.8", "application/json"} {
		a := h.send(http.MethodGet, "/v1/leads", "", "", "Accept", accept).expect(t, 200)
		if got := a.header.Get("Content-Type"); got != asJSON {
			t.Errorf("Accept %q: content type %q", accept, got)
		}
	}
}

func TestAWatchSpeaksAtOnce(t *testing.T) {
	t.Parallel()
	h := open(t, options{})
	response, lines := h.lines("/v1/deliveries:watch")
	if response.StatusCode != http.StatusOK || response.Header.Get("Content-Type") != "application/x-ndjson" {
		t.Fatalf("%s, %s", response.Status, response.Header.Get("Content-Type"))
	}
	if !lines.Scan() || !strings.Contains(lines.Text(), `"hello"`) {
		t.Fatalf("the first line is %q, want hello", lines.Text())
	}
	h.post("/v1/leads", asJSON, ada).expect(t, 201)
	for _, stage := range []string{"STAGE_RECEIVED", "STAGE_VALIDATED", "STAGE_QUEUED"} {
		if !lines.Scan() || !strings.Contains(lines.Text(), stage) {
			t.Errorf("the next line is %q, want %s", lines.Text(), stage)
		}
	}
}

func TestServerSentEventsResumeAfterTheirID(t *testing.T) {
	t.Parallel()
	h := open(t, options{})
	h.post("/v1/leads", asJSON, ada).expect(t, 201)
	response, lines := h.lines("/v1/deliveries:watch?last=10", "Accept", "text/event-stream")
	if got := response.Header.Get("Content-Type"); got != "text/event-stream" {
		t.Fatalf("content type %q", got)
	}
	frame := func() (id, data string) {
		for lines.Scan() {
			switch name, value, _ := strings.Cut(lines.Text(), ": "); name {
			case "id":
				id = value
			case "data":
				data = value
			case "":
				return id, data
			}
		}
		return id, data
	}
	if _, data := frame(); !strings.Contains(data, `{"result":{"hello"`) {
		t.Fatalf("the first event is %s, want hello", data)
	}
	id, data := frame()
	var event struct {
		Result struct{ Event struct{ ID string } }
	}
	if err := json.Unmarshal([]byte(data), &event); err != nil || event.Result.Event.ID != id || id == "" {
		t.Fatalf("the event's id is %q, of its data %q (%v)", id, event.Result.Event.ID, err)
	}
	// A browser that reconnects sends the last id that it saw, to the address that it first used.
	_, lines = h.lines("/v1/deliveries:watch?last=10", "Accept", "text/event-stream", "Last-Event-ID", id)
	frame()
	if _, data := frame(); !strings.Contains(data, "STAGE_VALIDATED") {
		t.Errorf("after resuming behind received comes %s, want validated", data)
	}
}

// stuckWatch is a watch that never sends anything.
type stuckWatch struct {
	leadgatev1.UnimplementedWorkerServiceServer
	ended chan struct{}
}

func (w *stuckWatch) WatchDeliveries(_ *leadgatev1.WatchDeliveriesRequest, stream grpc.ServerStreamingServer[leadgatev1.WatchDeliveriesResponse]) error {
	_ = stream.Send(&leadgatev1.WatchDeliveriesResponse{Message: &leadgatev1.WatchDeliveriesResponse_Hello{Hello: &leadgatev1.WatchHello{}}})
	<-stream.Context().Done()
	close(w.ended)
	return stream.Context().Err()
}

func TestAWatchEndsWhenItsClientGoesAway(t *testing.T) {
	t.Parallel()
	watch := &stuckWatch{ended: make(chan struct{})}
	h := open(t, options{worker: watch})
	response, lines := h.lines("/v1/deliveries:watch")
	lines.Scan()
	_ = response.Body.Close()
	select {
	case <-watch.ended:
	case <-time.After(5 * time.Second):
		t.Error("the stream goes on")
	}
}

func TestPlainPages(t *testing.T) {
	t.Parallel()
	h := open(t, options{})
	h.send(http.MethodGet, "/healthz", "", "").expect(t, 200, "ok")
	h.send(http.MethodGet, "/readyz", "", "").expect(t, 200, "ready")
	h.send(http.MethodGet, "/metrics", "", "").expect(t, 200, "leadgate_up 1")
	h.send(http.MethodGet, "/openapi.json", "", "").expect(t, 200, `"openapi": "3.1.0"`, "/v1/forms/{form}/submissions")
}

// They are found no matter how many newer leads other forms have. Only a name that no lead has counts as misspelt.
func TestTheLeadsOfAFormThatIsGoneAreFound(t *testing.T) {
	t.Parallel()
	const form = "\n  %s: { fields: { email: email }, honeypot: [trap] }"
	const gateway = "forms:%s\ndestinations:\n  crm: { http: { url: \"http://127.0.0.1:9/leads\" } }\n"
	contact, fair := fmt.Sprintf(form, "contact"), fmt.Sprintf(form, "fair")
	h := open(t, options{config: fmt.Sprintf(gateway, contact+fair)})
	h.post("/v1/forms/fair/submissions", asForm, "email=ada@example.com&trap=x").expect(t, 201)
	for i := range 600 { // more than one page of a search
		h.post("/v1/forms/contact/submissions", asForm, fmt.Sprintf("email=p%d@example.com&trap=x", i)).expect(t, 201)
	}
	h.reload(fmt.Sprintf(gateway, contact))
	found := 0
	for token, first := "", true; first || token != ""; first = false {
		page := h.send(http.MethodGet, "/v1/leads?state=HELD&form=fair&page_size=1&page_token="+url.QueryEscape(token), "", "").expect(t, 200)
		token, _ = page.body["nextPageToken"].(string)
		leads, _ := page.body["leads"].([]any)
		found += len(leads)
	}
	if found != 1 {
		t.Errorf("%d leads are listed, want 1", found)
	}
	h.send(http.MethodGet, "/v1/leads:export?state=HELD&form=fair", "", "").expect(t, 200, "ada@example.com")
	for path, want := range map[string]string{
		"/v1/leads?form=fair&state=discarded": `{}`, "/v1/deliveries?form=fair": `{}`, "/v1/leads:export?form=fair&state=erased": "",
	} {
		h.send(http.MethodGet, path, "", "").expect(t, 200, want) // the form exists, and nothing matches
	}
	h.post("/v1/leads:discard", asJSON, `{"filter":{"form":"fair"},"dryRun":true}`).expect(t, 200, `"matched":"1"`)
	h.post("/v1/leads:discard", asJSON, `{"filter":{"form":"fare"},"dryRun":true}`).expect(t, 404, "FORM_NOT_FOUND")
	h.send(http.MethodGet, "/v1/deliveries?form=fare", "", "").expect(t, 404, "FORM_NOT_FOUND")
	h.send(http.MethodGet, "/v1/leads?form=fare", "", "").expect(t, 404, "FORM_NOT_FOUND")
	h.send(http.MethodGet, "/v1/leads:export?form=fare", "", "").expect(t, 404, "FORM_NOT_FOUND")
}

func TestAListOfLeadsSaysWhatBecameOfEachWhenAsked(t *testing.T) {
	t.Parallel()
	h := open(t, options{config: strings.Replace(twoLines, "contact: {}", "contact: { fields: { email: email, company: company }, required: [email, company] }", 1)})
	first := h.post(contact, asForm, "email=ada@example.com&company=Acme").expect(t, 201).body["leadId"].(string)
	h.post(contact, asForm, "email=grace@example.com&company_name=Acme").expect(t, 201) // held, so without deliveries
	h.send(http.MethodGet, "/v1/leads?with_deliveries=true", "", "").expect(t, 200, "grace@example.com", `"deliveryId":"`+first+".")
	if a := h.send(http.MethodGet, "/v1/leads", "", "").expect(t, 200, first); strings.Contains(a.text, "deliveryId") {
		t.Errorf("deliveries come unasked: %s", a.text)
	}
	h.post("/v1/leads:search", asJSON, `{"email":"ada@example.com","withDeliveries":true}`).expect(t, 200, `"deliveryId":"`+first+".")
}
