"""The AXI shell: what joins the accelerator to the processor's memory and its registers."""
