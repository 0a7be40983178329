package hitl

import "context"

// Registrar is an [Integration] that sets up something in the desk, for instance its webhook.
type Registrar interface {
	// Register runs each time the installation's configuration is saved. The URL is the installation's own.
	Register(ctx context.Context, webhookURL string) error

	// Unregister runs when the installation is removed. It undoes only what Register did for this URL.
	Unregister(ctx context.Context, webhookURL string) error
}
