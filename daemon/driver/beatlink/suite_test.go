package beatlink_test

import (
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

func TestBeatlink(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "beatlink")
}
