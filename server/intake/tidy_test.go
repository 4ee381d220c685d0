package intake_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/server/intake"
)

func TestTidyingMendsOuterWhiteSpaceCaseNullAndNanosecondsOnly(t *testing.T) {
	t.Parallel()
	lead := &leadgatev1.Lead{
		Email: " Ada@Example.COM\n", FirstName: "\tAda  B. ", Country: " gb ", Phone: " 415 ", Message: "\n Hello,\n  you \n",
		Custom: map[string]*structpb.Value{
			" name ": structpb.NewStringValue(" x "),
			"n":      structpb.NewNumberValue(1),
			"list": structpb.NewListValue(&structpb.ListValue{Values: []*structpb.Value{
				structpb.NewStringValue(" y "), structpb.NewBoolValue(true),
			}}),
			"unset": nil,
			"null":  structpb.NewNullValue(),
		},
		Consents: []*leadgatev1.Consent{
			{Purpose: " newsletter ", Granted: proto.Bool(true), Time: timestamppb.New(timestamppb.Now().AsTime())},
			{Purpose: "calls", Time: &timestamppb.Timestamp{Seconds: 1, Nanos: -1}},
		},
		Source: &leadgatev1.Source{UtmSource: " google "},
	}
	want := proto.CloneOf(lead)
	want.Email, want.FirstName, want.Country, want.Phone, want.Message = "ada@example.com", "Ada  B.", "GB", "415", "Hello,\n  you"
	want.Custom[" name "] = structpb.NewStringValue("x")
	want.Custom["list"].GetListValue().Values[0] = structpb.NewStringValue("y")
	delete(want.Custom, "null")
	want.Consents[1].Granted = proto.Bool(false)
	want.Consents[1].Time = &timestamppb.Timestamp{Nanos: 999_999_999}
	want.Consents[0].Purpose, want.Source.UtmSource = "newsletter", "google"

	for _, time := range []string{"once", "twice"} {
		intake.Tidy(lead)
		if diff := cmp.Diff(want, lead, protocmp.Transform()); diff != "" {
			t.Errorf("tidied %s:\n%s", time, diff)
		}
	}
}

func TestTidyingNoLeadDoesNothing(t *testing.T) {
	t.Parallel()
	intake.Tidy(nil)
}
