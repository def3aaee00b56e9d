package outbound

import (
	"crypto/sha256"
	"encoding/hex"
)

// maxNonceChars is Discord's bound (Discord, Create Message).
const maxNonceChars = 25

// Nonce is the nonce of one part of what is said about a question or message: the same whenever it is said again.
func Nonce(about, part string) string {
	n := about + "-" + part
	if len(n) <= maxNonceChars {
		return n
	}
	sum := sha256.Sum256([]byte(n))
	return hex.EncodeToString(sum[:])[:maxNonceChars]
}
