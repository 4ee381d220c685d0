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

// codec reads what comes over gRPC. What it does not read, it leaves to validate: grpc would answer that leadgate has a fault, which
// clients take for something that passes, and no event would tell of it.
type codec struct {
	encoding.CodecV2
	limit func() int64 // of a lead, in bytes
}

func (s *Server) codec() codec {
	return codec{encoding.GetCodecV2(grpcproto.Name), func() int64 { return s.house().maxBody }}
}

// Unmarshal implements encoding.CodecV2. It does not take apart what is larger than a lead may be: a message of 64 KiB that has nothing
// but empty fields takes megabytes, one of 4 MiB, which a batch may be, gigabytes. The message is left as it came, for validate to find it
// too large.
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

// apart reads the leads of a batch one by one, so that one that cannot be read fails alone; nil if nobody can tell them apart.
func apart(data []byte) []*leadgatev1.SubmitLeadRequest {
	var leads []*leadgatev1.SubmitLeadRequest
	for len(data) > 0 && len(leads) <= mostLeads {
		_, kind, start := protowire.ConsumeTag(data)
		if start < 0 || kind != protowire.BytesType { // no field of a batch is of another kind
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

// unread stands in a message for what could not be read: a field that no message has.
func unread() []byte {
	return protowire.AppendVarint(protowire.AppendTag(nil, protowire.MaxValidNumber, protowire.VarintType), 1)
}

// wasUnread says so of a message.
func wasUnread(message proto.Message) bool {
	return bytes.Equal(message.ProtoReflect().GetUnknown(), unread())
}
