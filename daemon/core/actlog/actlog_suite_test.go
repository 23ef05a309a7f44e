package actlog_test

import (
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/actlog"
	"github.com/optionc/pollux/daemon/format/drbdmeta"
)

func TestActlog(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "actlog")
}

// panicWith matches a function that panics with ErrMisuse and these words.
func panicWith(words string) OmegaMatcher {
	return PanicWith(And(MatchError(actlog.ErrMisuse), MatchError(ContainSubstring(words))))
}

// commit lets the log write one transaction and returns it.
func commit(l *actlog.Log) (t drbdmeta.Transaction, evicted []uint32) {
	GinkgoHelper()
	evicted, ok := l.Next(&t)
	Expect(ok).To(BeTrue(), "the log has nothing to write")
	evicted = append([]uint32(nil), evicted...)
	l.Committed()
	return t, evicted
}

// activate brings extents into the log, one transaction each, and leaves them
// without references.
func activate(l *actlog.Log, extents ...uint32) {
	GinkgoHelper()
	for _, extent := range extents {
		Expect(l.Get(extent, extent)).To(BeFalse())
		commit(l)
		Expect(l.Get(extent, extent)).To(BeTrue())
		l.Put(extent, extent)
	}
}
