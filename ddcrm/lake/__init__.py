"""The lake: landing as received, conformed as typed, quarantine beside it, and the as-of view."""
