"""Language model providers: one wire format a file, all behind `providers.base.Provider`."""
