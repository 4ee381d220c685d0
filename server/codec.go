package server

import (
	"bytes"

	"google.golang.org/grpc/encoding"
	grpcproto "google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

// codec decodes gRPC messages. It leaves what it cannot decode to validate: grpc would answer with a fault of leadgate, which clients
// take for a temporary one, and there would be no event.
type codec struct {
	encoding.CodecV2
	limit func() int64 // largest lead, in bytes
}

func (s *Server) codec() codec {
	return codec{encoding.GetCodecV2(grpcproto.Name), func() int64 { return s.house().maxBody }}
}

// Unmarshal implements encoding.CodecV2. It does not decode what is larger than a lead may be: 64 KiB of nothing but empty fields take
// megabytes when decoded; 4 MiB, the limit of a batch, gigabytes. The message keeps its encoded form, so that validate finds it too
// large.
func (c codec) Unmarshal(data mem.BufferSlice, message any) error {
	if int64(data.Len()) > c.limit() {
		switch m := message.(type) {
		case *leadgatev1.SubmitLeadRequest:
			m.ProtoReflect().SetUnknown(data.Materialize())
			return nil
		case *leadgatev1.SubmitFormRequest:
			m.ProtoReflect().SetUnknown(data.Materialize())
			return nil
		case *leadgatev1.SubmitLeadsRequest:
			m.Request = &leadgatev1.SubmitLeadRequest{}
			m.Request.ProtoReflect().SetUnknown(data.Materialize())
			return nil
		}
	}
	err := c.CodecV2.Unmarshal(data, message)
	m, ok := message.(proto.Message)
	if err == nil || !ok {
		return err
	}
	proto.Reset(m)
	switch m := message.(type) {
	case *leadgatev1.BatchSubmitLeadsRequest:
		m.Leads = apart(data.Materialize())
		ok = len(m.GetLeads()) > 0
	case *leadgatev1.SubmitLeadsRequest:
		m.Request = &leadgatev1.SubmitLeadRequest{}
		m.Request.ProtoReflect().SetUnknown(unread())
	default:
		ok = false
	}
	if !ok {
		m.ProtoReflect().SetUnknown(unread())
	}
	return nil
}

// apart decodes the leads of a batch one by one, so that one that cannot be decoded fails alone; nil if it cannot separate them.
func apart(data []byte) []*leadgatev1.SubmitLeadRequest {
	var leads []*leadgatev1.SubmitLeadRequest
	for len(data) > 0 && len(leads) <= mostLeads {
		_, kind, start := protowire.ConsumeTag(data)
		if start < 0 || kind != protowire.BytesType { // a batch has no field of another kind
			return nil
		}
		encoded, size := protowire.ConsumeBytes(data[start:])
		if size < 0 {
			return nil
		}
		lead := &leadgatev1.SubmitLeadRequest{}
		if proto.Unmarshal(encoded, lead) != nil {
			proto.Reset(lead)
			lead.ProtoReflect().SetUnknown(unread())
		}
		leads, data = append(leads, lead), data[start+size:]
	}
	return leads
}

// unread returns the mark of a message that could not be decoded: a field that no message has.
func unread() []byte {
	return protowire.AppendVarint(protowire.AppendTag(nil, protowire.MaxValidNumber, protowire.VarintType), 1)
}

// wasUnread reports whether a message has the mark of unread.
func wasUnread(message proto.Message) bool {
	return bytes.Equal(message.ProtoReflect().GetUnknown(), unread())
}
