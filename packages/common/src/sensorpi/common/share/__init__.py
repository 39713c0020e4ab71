"""The checkpoint share: an NFS export on one node, mounted on the others."""
