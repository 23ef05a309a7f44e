package witnesswire_test

import (
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/format/witnesswire"
)

const memoryText = `pollux-witness 1 5577006791947779410
node milo1 17
node milo2 4
group drbddisk::r1 holder=milo1 turn=16 ms=30000 ahead=milo1 clear=milo2
group web equal=yes clear=milo1,milo2
`

func TestMemoryAsText(t *testing.T) {
	g := NewWithT(t)
	m, err := witnesswire.DecodeMemory([]byte(memoryText))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(m).To(Equal(witnesswire.Memory{
		Life: 5577006791947779410, Nodes: []witnesswire.Writer{{Name: "milo1", Turn: 17}, {Name: "milo2", Turn: 4}},
		Groups: []witnesswire.Promise{
			{
				Group: "drbddisk::r1", Holder: "milo1", Turn: 16, Length: 30 * time.Second, Ahead: "milo1",
				Clear: []string{"milo2"},
			},
			{Group: "web", Equal: true, Clear: []string{"milo1", "milo2"}},
		},
	}))
	g.Expect(string(m.Append(nil))).To(Equal(memoryText))
	g.Expect(m.Writer("milo2").Turn).To(BeEquivalentTo(4))
	g.Expect(m.Writer("milo3")).To(BeNil())
}

func TestMemoryThatIsRefused(t *testing.T) {
	for name, tc := range map[string]struct{ old, with string }{
		"nothing":           {memoryText, ""},
		"another version":   {"pollux-witness 1", "pollux-witness 2"},
		"something else":    {"pollux-witness 1", "kubernetes 1"},
		"three nodes":       {"node milo2 4\n", "node milo2 4\nnode milo3 4\n"},
		"groups out of way": {"group web", "group aaa"},
		"an unknown word":   {"ahead=", "behind="},
		"half a word":       {"ahead=milo1", "ahead"},
		"no number":         {"ms=30000", "ms=soon"},
		"a year":            {"ms=30000", "ms=4000000000"},
		"too much":          {"node milo2 4\n", strings.Repeat("\n", 1<<20)},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			g.Expect(memoryText).To(ContainSubstring(tc.old))
			_, err := witnesswire.DecodeMemory([]byte(strings.Replace(memoryText, tc.old, tc.with, 1)))
			g.Expect(err).To(MatchError(ContainSubstring("memory of a witness")))
		})
	}
}

func FuzzMemory(f *testing.F) {
	f.Add([]byte(memoryText))
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := witnesswire.DecodeMemory(text)
		if err != nil {
			return
		}
		g := NewWithT(t)
		again, err := witnesswire.DecodeMemory(m.Append(nil))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(again.Append(nil)).To(Equal(m.Append(nil)))
	})
}
