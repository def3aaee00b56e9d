module salamander.dev/gateway/internal/core/sanitize/peers

go 1.26.0

replace (
	salamander.dev/gateway => ../../../..
	salamander.dev/shared => ../../../../../shared
)

require (
	github.com/forPelevin/gomoji v1.2.0
	golang.org/x/text v0.43.0
	salamander.dev/gateway v0.0.0
)

require github.com/rivo/uniseg v0.4.3 // indirect
