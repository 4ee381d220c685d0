package server_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

// encodedLead returns a SubmitLeadRequest as other languages encode it, even with text that is not UTF-8, such as JavaScript's half an
// emoji.
func encodedLead(t *testing.T, email, message string) []byte {
	t.Helper()
	lead, err := proto.Marshal(&leadgatev1.Lead{Email: email})
	if err != nil {
		t.Fatal(err)
	}
	number := (&leadgatev1.Lead{}).ProtoReflect().Descriptor().Fields().ByName("message").Number()
	lead = protowire.AppendString(protowire.AppendTag(lead, number, protowire.BytesType), message)
	return field1(lead)
}

// field1 returns a message that has others in its field 1.
func field1(messages ...[]byte) []byte {
	var encoded []byte
	for _, message := range messages {
		encoded = protowire.AppendBytes(protowire.AppendTag(encoded, 1, protowire.BytesType), message)
	}
	return encoded
}

const halfAnEmoji = "Call me \xed\xa0\xbd"

func TestAMessageThatCannotBeReadIsTheSendersFault(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		method  string
		message []byte
		told    bool // whether there is an event
	}{
		"a lead that is not UTF-8":    {leadgatev1.LeadService_SubmitLead_FullMethodName, encodedLead(t, "ada@example.com", halfAnEmoji), true},
		"a form's that is not UTF-8":  {leadgatev1.LeadService_SubmitForm_FullMethodName, field1([]byte(halfAnEmoji)), true},
		"a batch that is no message":  {leadgatev1.LeadService_BatchSubmitLeads_FullMethodName, []byte{0xff, 0xff}, true},
		"a filter that is no message": {leadgatev1.WorkerService_RetryDeliveries_FullMethodName, []byte{0xff, 0xff}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := open(t, options{})
			err := h.dial().Invoke(t.Context(), c.method, c.message, nil, grpc.ForceCodecV2(bytesAsTheyAre{}))
			if status.Code(err) != codes.InvalidArgument || !strings.Contains(err.Error(), "UTF-8") {
				t.Errorf("%v, want InvalidArgument", err)
			}
			if c.told {
				h.awaitEvent(func(e *leadgatev1.LeadEvent) bool { return e.GetReason() == "BODY_MALFORMED" })
			}
		})
	}
}

func TestALeadOfManyThatCannotBeReadFailsAlone(t *testing.T) {
	t.Parallel()
	h := open(t, options{})
	leads := [][]byte{
		encodedLead(t, "ada@example.com", ""), encodedLead(t, "bob@example.com", halfAnEmoji), encodedLead(t, "eve@example.com", ""),
	}
	judge := func(way string, results []*leadgatev1.LeadResult, reasons ...string) {
		t.Helper()
		if len(results) != len(reasons) {
			t.Fatalf("%s: %d results, want %d", way, len(results), len(reasons))
		}
		for i, want := range reasons {
			if got := results[i].GetRefusal().GetReason(); got != want || (want == "") == (results[i].GetLeadId() == "") {
				t.Errorf("%s: lead %d is refused with %q, want %q", way, i, got, want)
			}
		}
	}
	var batch rawMessage
	if err := h.dial().Invoke(t.Context(), leadgatev1.LeadService_BatchSubmitLeads_FullMethodName, field1(leads...), &batch, grpc.ForceCodecV2(bytesAsTheyAre{})); err != nil {
		t.Fatal(err)
	}
	answer := &leadgatev1.BatchSubmitLeadsResponse{}
	if err := proto.Unmarshal(batch, answer); err != nil {
		t.Fatal(err)
	}
	judge("a batch", answer.GetResults(), "", "BODY_MALFORMED", "")

	stream, err := h.dial().NewStream(t.Context(), &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, leadgatev1.LeadService_SubmitLeads_FullMethodName, grpc.ForceCodecV2(bytesAsTheyAre{}))
	if err != nil {
		t.Fatal(err)
	}
	for _, lead := range append(leads, encodedLead(t, "big@example.com", strings.Repeat("x", 65<<10)), leads[0]) {
		if err := stream.SendMsg(field1(lead)); err != nil {
			t.Fatal(err)
		}
	}
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	var results []*leadgatev1.LeadResult
	for {
		var message rawMessage
		err := stream.RecvMsg(&message)
		if errors.Is(err, io.EOF) {
			break
		}
		answer := &leadgatev1.SubmitLeadsResponse{}
		if err := errors.Join(err, proto.Unmarshal(message, answer)); err != nil {
			t.Fatal(err)
		}
		results = append(results, answer.GetResult())
	}
	judge("a stream", results, "", "BODY_MALFORMED", "", "BODY_TOO_LARGE", "")
}
