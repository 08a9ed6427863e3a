"""`python -m mgnm_tf` is the same as the command `mgnm`."""

from mgnm_tf.cli import main

if __name__ == "__main__":
    main()
