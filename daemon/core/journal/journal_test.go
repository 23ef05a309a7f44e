package journal_test

import (
	"reflect"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/journal"
	"github.com/optionc/pollux/daemon/core/machine"
)

// each sets every field below v, one after the other, to something that is not
// zero, and calls then; before the next, the field is zero again.
func each(v reflect.Value, path string, then func(path string)) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			each(v.Field(i), path+"."+v.Type().Field(i).Name, then)
		}
		return
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		if v.Type().Elem().Kind() == reflect.Struct {
			each(v.Index(0), path+"[0]", then)
			v.SetZero()
			return
		}
		v.Index(0).SetUint(7)
	case reflect.String:
		v.SetString("a text")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64, reflect.Int32:
		v.SetInt(-3)
	default:
		v.SetUint(5)
	}
	then(path)
	v.SetZero()
}

// parts are the inputs and effects of a machine's parts.
var parts = map[machine.Part]string{
	machine.Replica: "Replica", machine.Liveness: "Liveness", machine.Failover: "Failover",
	machine.Lease: "Lease",
}

func TestEveryFieldIsKept(t *testing.T) {
	for part, name := range parts {
		in := machine.Input{Part: part, Resource: 3}
		each(reflect.ValueOf(&in).Elem().FieldByName(name), name, func(path string) {
			b := journal.Append(nil, time.Second, 3*time.Second, &in, nil)
			e, rest, err := journal.Decode(b, time.Second)
			g := NewWithT(t)
			g.Expect(err).NotTo(HaveOccurred(), path)
			g.Expect(rest).To(BeEmpty(), path)
			g.Expect(e.At).To(Equal(3 * time.Second))
			g.Expect(e.Input).To(Equal(in), path)
		})
	}
}

func TestEveryFieldOfAnEffectCounts(t *testing.T) {
	for part, name := range parts {
		effects := []machine.Effect{{Part: part}}
		zero := journal.Digest(effects)
		each(reflect.ValueOf(&effects[0]).Elem().FieldByName(name), name, func(path string) {
			NewWithT(t).Expect(journal.Digest(effects)).NotTo(Equal(zero), path)
		})
	}
}

func TestEffectsInShort(t *testing.T) {
	g := NewWithT(t)
	effects := []machine.Effect{{Part: machine.Replica}, {Part: machine.Failover}}
	effects[0].Replica.Kind = 41
	b := journal.Append(nil, 0, 0, &machine.Input{}, effects)
	e, _, err := journal.Decode(b, 0)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(e.Did).To(Equal([]journal.Did{{Part: machine.Replica, Kind: 41}, {Part: machine.Failover}}))
	g.Expect(e.Digest).To(Equal(journal.Digest(effects)))
	for cut := range len(b) {
		_, _, err := journal.Decode(b[:cut], 0)
		g.Expect(err).To(MatchError(journal.ErrShort), "cut at %d", cut)
	}
}

func FuzzDecode(f *testing.F) {
	in := machine.Input{Part: machine.Replica}
	in.Replica.Data = []byte("data")
	f.Add(journal.Append(nil, 0, 5, &in, nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, rest, err := journal.Decode(b, 0)
		if err != nil {
			return
		}
		if len(rest) > len(b) {
			t.Errorf("%d bytes left of %d", len(rest), len(b))
		}
		again, _, err := journal.Decode(journal.Append(nil, 0, e.At, &e.Input, nil), 0)
		if err != nil || !reflect.DeepEqual(again.Input, e.Input) {
			t.Errorf("decoded %+v, encoded and decoded %+v, %v", e.Input, again.Input, err)
		}
	})
}
