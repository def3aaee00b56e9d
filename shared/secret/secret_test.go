package secret_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"salamander.dev/shared/secret"
)

func TestNothingPrintsTheSecret(t *testing.T) {
	t.Parallel()
	s := secret.New("hf_hunter2")
	type holder struct{ Key secret.String }
	type closed struct{ key secret.String }
	j, err := json.Marshal(holder{s})
	if err != nil {
		t.Fatal(err)
	}
	for _, got := range []string{
		fmt.Sprint(s), fmt.Sprintf("%v %+v %#v %s %q %x %d", s, s, s, s, s, s, s),
		fmt.Sprintf("%v %+v %#v", holder{s}, holder{s}, &holder{s}), string(j),
		fmt.Sprintf("%v %+v %#v", closed{s}, closed{s}, &closed{s}),
	} {
		if strings.Contains(got, "hunter") || strings.Contains(got, fmt.Sprintf("%x", "hunter2")) {
			t.Errorf("the secret shows in %q", got)
		}
	}
	if s.Reveal() != "hf_hunter2" || s.Empty() || !(secret.String{}).Empty() {
		t.Error("Reveal or Empty lies")
	}
}
