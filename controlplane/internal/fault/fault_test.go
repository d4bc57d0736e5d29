package fault_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"tollgate.dev/controlplane/internal/fault"
)

func TestUnknownErrorsStayHidden(t *testing.T) {
	t.Parallel()
	cause := errors.New("dial tcp 10.0.0.7:5432: refused")
	got := fault.Of(fmt.Errorf("list budgets: %w", cause))
	if got.Kind != fault.Internal || strings.Contains(got.Message, "10.0.0.7") {
		t.Fatalf("a stranger would read %q of kind %d", got.Message, got.Kind)
	}
	if !errors.Is(got, cause) {
		t.Fatal("the log would lose the cause")
	}
}

func TestFaultSurvivesWrapping(t *testing.T) {
	t.Parallel()
	err := fmt.Errorf("create key: %w", fault.New(fault.Conflict, "the name %q is taken", "ci"))
	if got := fault.Of(err); got.Kind != fault.Conflict || got.Message != `the name "ci" is taken` {
		t.Fatalf("got %+v", got)
	}
}

func TestFieldsBecomeOneFault(t *testing.T) {
	t.Parallel()
	var wrong fault.Fields
	if wrong.Err() != nil {
		t.Fatal("no wrong field is an error")
	}
	wrong.Add("name", "enter a name")
	wrong.Add("limit_usd", "%q is not an amount", "abc")
	got := fault.Of(wrong.Err())
	if got.Kind != fault.Invalid || len(got.Fields) != 2 || got.Fields[1].Name != "limit_usd" || !strings.Contains(got.Error(), `limit_usd: "abc" is not an amount`) {
		t.Fatalf("got %+v", got)
	}
}
