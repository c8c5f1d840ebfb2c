"""What a twin may do to a gateway from afar: a layer over its configuration, on trial, and a look into its log."""
