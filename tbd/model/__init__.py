"""The video diffusion model of Think-Before-Draw: Stable Diffusion 1.5 with reference, text, audio and motion attention."""
