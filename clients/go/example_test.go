package leadgate_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"slices"

	leadgate "github.com/leadgate/leadgate/clients/go"
	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

// start starts the gateway of an example, and returns a function that stops it.
func start() (g *gateway, stop func()) {
	var stops []func()
	g = newGateway(func(f func()) { stops = append(stops, f) })
	return g, func() {
		for _, f := range stops {
			f()
		}
	}
}

func Example() {
	g, stop := start()
	defer stop()

	client, err := leadgate.New(g.address, leadgate.WithoutTLS()) // "leads.example.com:443", leadgate.WithAPIKey(key)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	// The key identifies the reason for the lead, so that a retry, even after a crash, creates no second one.
	for range 2 {
		accepted, err := client.Submit(context.Background(), &leadgatev1.Lead{Email: "ada@example.com", FirstName: "Ada"}, leadgate.WithKey("order-4711"))
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(accepted.LeadID, accepted.Replayed)
	}
	// Output:
	// lead-1 false
	// lead-1 true
}

func ExampleError() {
	g, stop := start()
	defer stop()
	client, err := leadgate.New(g.address, leadgate.WithoutTLS())
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	_, err = client.Submit(context.Background(), &leadgatev1.Lead{FirstName: "Ada"})
	if refused := (*leadgate.Error)(nil); errors.As(err, &refused) {
		for _, v := range refused.Violations {
			fmt.Println(v.Field, v.Message)
		}
	}
	// Output: lead.email must be a valid email address
}

func ExampleClient_SubmitAll() {
	g, stop := start()
	defer stop()
	client, err := leadgate.New(g.address, leadgate.WithoutTLS())
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	leads := slices.Values([]leadgate.Submission{
		{Lead: &leadgatev1.Lead{Email: "ada@example.com"}, Key: "row-1"},
		{Lead: &leadgatev1.Lead{FirstName: "Nobody"}, Key: "row-2"},
		{Lead: &leadgatev1.Lead{Email: "grace@example.com"}, Key: "row-3"},
	})
	for result, err := range client.SubmitAll(context.Background(), leads) {
		if err != nil {
			log.Fatal(err) // the gateway stays unreachable, or refuses the caller
		}
		fmt.Println(result.Key, result.LeadID, result.Err != nil)
	}
	// Output:
	// row-1 lead-1 false
	// row-2  true
	// row-3 lead-2 false
}
